"""What the pages say of differences, applying, versions and surge mode."""

from collections.abc import Mapping

RUNNING: Mapping[str, tuple[str, str]] = {
    # differences, applying, versions
    "difference": ("Perbedaan draf dari yang berjalan", "The draft's difference from what runs"),
    "no_difference": ("Tidak ada perbedaan.", "There is no difference."),
    "changes": ("Perubahan", "Changes"),
    "files": ("Berkas Asterisk yang ditulis ulang", "Files of Asterisk's that are written anew"),
    "modules": ("Bagian Asterisk yang membacanya", "Parts of Asterisk that read them"),
    "no_files": ("Tidak ada berkas yang berubah.", "No file changes."),
    "apply_title": ("Terapkan draf", "Apply the draft"),
    "apply_lead": (
        "Tidak ada panggilan yang terputus dan tidak ada operator yang keluar. Bila Asterisk tidak menerimanya, "
        "yang lama kembali.",
        "No call is cut and no operator is logged out. If Asterisk does not take it, what was before comes back.",
    ),
    "apply_button": ("Terapkan versi {version}", "Apply version {version}"),
    "cannot_apply": ("Belum dapat diterapkan", "It cannot be applied yet"),
    "progress": ("Jalannya penerapan", "How far it is"),
    "step.start": ("Mulai …", "Beginning …"),
    "step.write": ("Berkas ditulis.", "The files are written."),
    "step.reload": ("Asterisk membaca ulang {what}.", "Asterisk reads again: {what}."),
    "step.read-back": (
        "Laporan Asterisk dibandingkan dengan berkas.",
        "Asterisk's own report is held against the files.",
    ),
    "step.restore": ("Yang lama dikembalikan.", "What was before is put back."),
    "step.members": ("Operator yang masuk dipindahkan.", "Operators who are logged in are moved."),
    "step.applied": ("Selesai.", "Done."),
    "step.failed": ("Gagal.", "Failed."),
    "applied": ("Versi {version} berjalan.", "Version {version} runs."),
    "not_applied": ("Tidak diterapkan", "It was not applied"),
    "told": ("Yang perlu diketahui", "What there is to know"),
    "discard_title": ("Buang draf?", "Discard the draft?"),
    "discard_explained": (
        "Draf kembali seperti yang berjalan. Versi yang dibuang tetap ada dalam daftar versi.",
        "The draft becomes what runs. The discarded version stays in the list of versions.",
    ),
    "versions_lead": (
        "Setiap simpanan adalah satu versi. Versi lama dapat dijalankan kembali.",
        "Each saving is a version. An earlier one can be made to run again.",
    ),
    "version": ("Versi", "Version"),
    "version_n": ("Versi {version}", "Version {version}"),
    "who": ("Siapa", "Who"),
    "when": ("Kapan", "When"),
    "applications": ("Penerapan", "Applied"),
    "runs_now": ("berjalan", "runs"),
    "is_draft": ("draf", "draft"),
    "was_applied": ("diterapkan di {node}, {at}, oleh {who}", "applied on {node}, {at}, by {who}"),
    "was_failed": ("gagal di {node}, {at}, oleh {who}", "failed on {node}, {at}, by {who}"),
    "what_changed": ("Apa yang berubah", "What changed"),
    "roll_back": ("Jalankan kembali", "Run it again"),
    "roll_back_version": ("Jalankan kembali versi {version}", "Run version {version} again"),
    "roll_back_lead": (
        "Versi {version} menjadi versi terbaru dan diterapkan. Draf sekarang tetap ada dalam daftar versi.",
        "Version {version} becomes the newest and is applied. The draft of now stays in the list of versions.",
    ),
    "compare_title": ("Dari versi {before} ke versi {after}", "From version {before} to version {after}"),
    "actions": ("Tindakan", "Actions"),
    # surge mode
    "surge_on": ("Mode lonjakan menyala.", "Surge mode is on."),
    "surge_off": ("Mode lonjakan mati.", "Surge mode is off."),
    "surge_lead": (
        "Untuk bencana: semua operator yang masuk menerima panggilan antrean utama tanpa waktu penyelesaian, dan "
        "penelepon diberi tahu. Perubahan lain dalam draf tidak ikut diterapkan.",
        "For a disaster: everybody who is logged in takes the default queue's calls, without wrap-up, and callers are "
        "told. Nothing else of a draft is applied.",
    ),
    "surge_turn_on": ("Nyalakan mode lonjakan", "Turn surge mode on"),
    "surge_turn_off": ("Matikan mode lonjakan", "Turn surge mode off"),
}
"""Each as (Indonesian, English)."""
