"""What the pages say, in both languages; what a field of the configuration is called stands in the domain."""

from collections.abc import Mapping

from pbx112.domain.errors import ConfigurationFaulty, NotAllowed, NotFound, Pbx112Error

LANGUAGES: Mapping[str, str] = {"id": "Indonesia", "en": "English"}

WORDS: Mapping[str, tuple[str, str]] = {
    # around every page
    "service": ("Layanan darurat 112", "Emergency service 112"),
    "skip": ("Langsung ke isi", "Skip to the content"),
    "menu": ("Menu", "Menu"),
    "language": ("Bahasa", "Language"),
    "sign_out": ("Keluar", "Sign out"),
    "signed_in_as": ("Masuk sebagai {name}", "Signed in as {name}"),
    "demo": ("Pusat demo: jangan dipakai untuk panggilan darurat.", "A demo centre: not for emergency calls."),
    "overview": ("Ikhtisar", "Overview"),
    "queues": ("Antrean", "Queues"),
    "operators": ("Operator", "Operators"),
    "agencies": ("Instansi", "Agencies"),
    "trunks": ("Trunk", "Trunks"),
    "calendars": ("Kalender jaga", "Shift calendars"),
    "entry": ("Aturan masuk", "Entry rules"),
    "prompts": ("Pesan suara", "Sound prompts"),
    "surge": ("Mode lonjakan", "Surge mode"),
    "versions": ("Versi", "Versions"),
    "users": ("Pengguna", "Users"),
    "tokens": ("Token API", "API tokens"),
    "audit": ("Audit", "Audit"),
    # the banner
    "banner": (
        "Draf (versi {draft}) berbeda dari yang berjalan (versi {applied}). Perubahan: {count}.",
        "The draft (version {draft}) differs from what runs (version {applied}). Changes: {count}.",
    ),
    "banner_faults": (
        "Belum dapat diterapkan. Kesalahan: {count}.",
        "It cannot be applied yet. Faults: {count}.",
    ),
    "see_difference": ("Lihat perbedaan", "See the difference"),
    "apply": ("Terapkan", "Apply"),
    "discard": ("Buang draf", "Discard the draft"),
    # signing in
    "sign_in": ("Masuk", "Sign in"),
    "user_name": ("Nama pengguna", "User name"),
    "password": ("Kata sandi", "Password"),
    "sign_in_lead": (
        "Untuk admin, penyelia, dan auditor pusat 112 ini.",
        "For admins, supervisors and auditors of this 112 centre.",
    ),
    "session_ended": ("Sesi Anda berakhir; silakan masuk lagi.", "Your session has ended; please sign in again."),
    # errors
    "error": ("Tidak dapat ditampilkan", "This cannot be shown"),
    "back_to_overview": ("Kembali ke ikhtisar", "Back to the overview"),
    "fault": ("Kesalahan", "Error"),
    "faults_here": ("Ada yang harus diperbaiki", "There is something to mend"),
    "nothing_saved": ("Tidak ada yang disimpan.", "Nothing was saved."),
    "cannot_read.int_parsing": ("Tulis bilangan bulat.", "Write a whole number."),
    "cannot_read.int_from_float": ("Tulis bilangan bulat.", "Write a whole number."),
    "cannot_read.enum": ("Pilih salah satu dari daftar.", "Choose one of the list."),
    "cannot_read.missing": ("Isi bidang ini.", "Fill this in."),
    # lists and forms
    "yes": ("ya", "yes"),
    "no": ("tidak", "no"),
    "none": ("-", "-"),
    "optional": ("boleh kosong", "may be empty"),
    "choose": ("(pilih)", "(choose)"),
    "nothing_chosen": ("(kosong)", "(empty)"),
    "from_to": ("{least} sampai {most}.", "{least} to {most}."),
    "add_new": ("Tambah", "Add"),
    "new.queues": ("Antrean baru", "New queue"),
    "new.operators": ("Operator baru", "New operator"),
    "new.agencies": ("Instansi baru", "New agency"),
    "new.trunks": ("Trunk baru", "New trunk"),
    "new.calendars": ("Kalender baru", "New calendar"),
    "new.users": ("Pengguna baru", "New user"),
    "new.tokens": ("Token baru", "New token"),
    "lead.queues": (
        "Di sini penelepon menunggu operator. Antrean utama menerima semua yang tidak diarahkan ke tempat lain.",
        "Here callers wait for an operator. The default queue takes all who are not sent elsewhere.",
    ),
    "lead.operators": (
        "Penerima panggilan: akun teleponnya, antrean yang dilayani, dan keahliannya.",
        "Who takes calls: the phone's account, the queues that are served, and the skills.",
    ),
    "lead.agencies": (
        "Instansi yang mengirim bantuan, dengan saluran teleponnya.",
        "Organisations that dispatch help, with their telephone lines.",
    ),
    "lead.trunks": (
        "Sambungan dari operator seluler. Alamat yang tidak tertulis di sini tidak dapat masuk.",
        "The carriers' connections. No call comes in from an address that is not written here.",
    ),
    "lead.calendars": (
        "Pembagian hari menjadi giliran jaga, menurut waktu {zone}.",
        "How the day is divided into shifts, in the time zone {zone}.",
    ),
    "lead.entry": (
        "Aturan pertama yang cocok menentukan antrean penelepon; yang tidak cocok ke antrean utama.",
        "The first rule that fits decides the caller's queue; who fits none goes to the default queue.",
    ),
    "empty_list": ("Belum ada.", "There is none yet."),
    "members": ("Anggota", "Members"),
    "state": ("Keadaan", "State"),
    "in_draft.added": ("baru, belum berjalan", "new, does not run yet"),
    "in_draft.changed": ("diubah, belum berjalan", "changed, does not run yet"),
    "in_draft.": ("berjalan", "runs"),
    "default_queue_mark": ("antrean utama", "default queue"),
    "drill_mark": ("latihan sistem", "the system's drill"),
    "save": ("Simpan ke draf", "Save to the draft"),
    "save_explained": (
        "Yang disimpan baru berjalan setelah draf diterapkan.",
        "What is saved runs only when the draft is applied.",
    ),
    "saved": ("Disimpan dalam draf (versi {version}).", "Saved in the draft (version {version})."),
    "unchanged": ("Tidak ada yang berubah.", "Nothing changed."),
    "cancel": ("Batal", "Cancel"),
    "row_add": ("Tambah: {label}", "Add: {label}"),
    "row_drop": ("Hapus", "Remove"),
    "look_only": ("Anda dapat melihat, tidak mengubah.", "You can look, not change."),
    "name_taken": ("{name} sudah ada; pilih nama lain.", "{name} exists already; choose another name."),
    "conflict": (
        "Sementara itu orang lain mengubah konfigurasi. Isian Anda masih ada di bawah; periksa, lalu simpan lagi.",
        "Meanwhile somebody else changed the configuration. What you typed stands below; check it, and save again.",
    ),
    "changed_by": ("{who}, versi {version}, {at}", "{who}, version {version}, {at}"),
    "remove": ("Hapus", "Remove"),
    "remove_question": ("Hapus {name}?", "Remove {name}?"),
    "remove_refers": (
        "Belum dapat dihapus: bagian lain masih menyebutnya. Ubah dahulu:",
        "It cannot be removed yet: others still name it. Change these first:",
    ),
    "remove_explained": (
        "Dihapus dari draf; yang berjalan tetap sampai draf diterapkan.",
        "It is taken out of the draft; what runs stays until the draft is applied.",
    ),
    "phone_show": ("Tampilkan kata sandi telepon", "Show the phone's password"),
    "phone_audited": ("Siapa yang melihatnya tercatat dalam audit.", "Who looked at it stands in the audit."),
    "phone": ("Akun telepon {name}", "Phone account {name}"),
    "phone_account": ("Nama akun (SIP user)", "Account (SIP user)"),
    "phone_server": ("Server", "Server"),
    "phone_none": (
        "Belum ada akun telepon {name}; akun operator baru dibuat ketika draf diterapkan.",
        "There is no phone account {name} yet; a new operator's is made when the draft is applied.",
    ),
    # the overview
    "what_runs": ("Yang berjalan", "What runs"),
    "running_version": ("Versi yang berjalan", "Version that runs"),
    "draft_version": ("Versi draf", "Version of the draft"),
    "same_as_running": ("sama dengan yang berjalan", "the same as what runs"),
    "logged_in": ("Operator yang masuk", "Operators logged in"),
    "callers_waiting": ("Penelepon yang menunggu", "Callers who wait"),
    "asterisk": ("Asterisk", "Asterisk"),
    "connected": ("tersambung", "connected"),
    "not_connected": ("tidak tersambung", "not connected"),
    "on": ("menyala", "on"),
    "off": ("mati", "off"),
    "sections": ("Yang dapat diatur", "What can be set"),
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
    # sound prompts
    "lead.prompts": (
        "Yang didengar penelepon selagi menunggu, lalu musik. Antrean memakainya lewat bidang Pesan tunggu; tanpa itu "
        "terdengar pesan bawaan.",
        "What callers hear while they wait, and then music. Queues name it in their field Comfort prompt; without it "
        "the built-in prompt is heard.",
    ),
    "prompt_upload": ("Unggah rekaman", "Upload a recording"),
    "prompt_upload_lead": (
        "WAV, MP3 atau Ogg, paling banyak 20 MB dan 5 menit. Rekaman disamakan kerasnya, dan musik ditambahkan.",
        "WAV, MP3 or Ogg, at most 20 MB and 5 minutes. It is made as loud as the other prompts, and music is added.",
    ),
    "field.prompt": ("Nama pesan", "Prompt's name"),
    "field.prompt_language": ("Bahasa penelepon", "Callers' language"),
    "field.prompt_file": ("Berkas", "File"),
    "field.prompt_use": ("Langsung dipakai", "Callers hear it at once"),
    "hint.prompt_use": (
        "Tanpa ini dengarkan dahulu. Versi pertama selalu langsung dipakai.",
        "Without it, listen first. A first version always is heard at once.",
    ),
    "prompt_of": ("{name}, bahasa {language}", "{name}, language {language}"),
    "prompt_queues": ("Dipakai antrean: {queues}", "Named by the queues {queues}"),
    "prompt_no_queue": ("Belum dipakai antrean mana pun.", "No queue names it."),
    "prompt_heard": ("terdengar sekarang", "heard now"),
    "prompt_listen": ("Dengarkan", "Listen"),
    "prompt_use": ("Pakai versi ini", "Use this version"),
    "prompt_seconds": ("{seconds} detik", "{seconds} s"),
    "prompt_added": (
        "Versi {version} dari {name} ({language}) diunggah.",
        "{name} ({language}) has a version {version}.",
    ),
    "prompt_now": (
        "Penelepon berikutnya mendengar versi {version} dari {name} ({language}).",
        "The next callers hear version {version} of {name} ({language}).",
    ),
    # users, tokens, audit
    "lead.users": (
        "Siapa yang boleh masuk ke halaman ini dan ke API, dan dengan hak apa.",
        "Who may sign in to these pages and to the API, and with which rights.",
    ),
    "lead.tokens": (
        "Untuk program, misalnya papan dinding. Token hanya ditampilkan sekali.",
        "For programs, such as a wallboard. A token is shown once only.",
    ),
    "lead.audit": ("Siapa berbuat apa, yang terbaru dahulu.", "Who did what, the newest first."),
    "field.name": ("Nama akun", "Account name"),
    "field.role": ("Hak", "Role"),
    "field.operator": ("Akun operator", "Operator account"),
    "field.disabled": ("Dinonaktifkan", "Disabled"),
    "field.password": ("Kata sandi", "Password"),
    "field.old_password": ("Kata sandi Anda sekarang", "Your password of now"),
    "field.expires_in_days": ("Berlaku selama", "Good for"),
    "days": ("hari", "days"),
    "hint.user_name": (
        "Huruf, angka, titik, - dan _; paling banyak 40.",
        "Letters, digits, dot, - and _; 40 at most.",
    ),
    "hint.operator": (
        "Telepon yang dipakai pengguna ini; wajib untuk hak operator, selain itu boleh kosong.",
        "The phone this user works with; needed for the role operator, else it may be empty.",
    ),
    "hint.disabled": ("Tidak dapat masuk, dan tokennya tidak berlaku.", "Cannot sign in, and his tokens are void."),
    "hint.password_new": ("8 sampai 256 huruf.", "8 to 256 characters."),
    "hint.password_keep": (
        "8 sampai 256 huruf; kosong: tetap seperti sekarang.",
        "8 to 256 characters; empty: it stays as it is.",
    ),
    "hint.old_password": ("Untuk mengganti kata sandi; selain itu kosong.", "To change the password; else empty."),
    "hint.expires": ("1 sampai 3650; kosong: sampai dicabut.", "1 to 3650; empty: until it is revoked."),
    "role.operator": ("Operator: menerima panggilan", "Operator: takes calls"),
    "role.supervisor": ("Penyelia: melihat semua, mode lonjakan", "Supervisor: sees everything, surge mode"),
    "role.admin": ("Admin: mengatur pusat", "Admin: sets up the centre"),
    "role.auditor": ("Auditor: melihat semua dan audit", "Auditor: sees everything and the audit"),
    "bad.user_name": ("Nama ini tidak dapat dipakai.", "This name cannot be used."),
    "bad.password": ("Kata sandi: 8 sampai 256 huruf.", "A password has 8 to 256 characters."),
    "bad.old_password": ("Kata sandi Anda sekarang salah.", "Your password of now is wrong."),
    "bad.operator": ("Hak operator membutuhkan akun operator.", "The role operator needs an operator account."),
    "bad.days": ("Tulis 1 sampai 3650 hari.", "Write 1 to 3650 days."),
    "user_saved": ("Pengguna {name} disimpan.", "User {name} is saved."),
    "user_n": ("Pengguna {name}", "User {name}"),
    "user_save": ("Simpan", "Save"),
    "user_remove_explained": (
        "Ia tidak dapat masuk lagi, dan tokennya tidak berlaku.",
        "He cannot sign in any more, and his tokens are void.",
    ),
    "removed": ("{name} dihapus.", "{name} is removed."),
    "created": ("Dibuat", "Created"),
    "created_by": ("oleh", "by"),
    "expires": ("Berlaku sampai", "Good until"),
    "last_used": ("Terakhir dipakai", "Last used"),
    "never": ("belum pernah", "never"),
    "until_revoked": ("sampai dicabut", "until revoked"),
    "revoke": ("Cabut", "Revoke"),
    "revoked": ("dicabut {at}", "revoked {at}"),
    "expired": ("berakhir", "expired"),
    "good": ("berlaku", "good"),
    "revoke_question": ("Cabut token {name}?", "Revoke the token {name}?"),
    "revoke_explained": (
        "Program yang memakainya langsung ditolak. Tidak dapat dibatalkan.",
        "The program that uses it is refused at once. It cannot be undone.",
    ),
    "token_make": ("Buat token", "Make the token"),
    "token_made": ("Token {name}", "Token {name}"),
    "token_once": (
        "Salin sekarang: token ini tidak dapat ditampilkan lagi.",
        "Copy it now: it cannot be shown again.",
    ),
    "begins": ("Awalan", "Begins with"),
    "act": ("Tindakan", "Act"),
    "subject": ("Tentang", "About"),
    "details": ("Rincian", "Details"),
    "before": ("Sebelum", "Before"),
    "after": ("Sesudah", "After"),
    "older": ("Yang lebih lama", "Older"),
    "newest": ("Yang terbaru", "Newest"),
    "verify": ("Periksa rantai audit", "Check the audit's chain"),
    "chain_whole": (
        "Rantai utuh: {rows} baris, yang terakhir {position}.",
        "The chain is whole: {rows} rows, the last is {position}.",
    ),
    "chain_broken": ("Rantai rusak: {fault}", "The chain is broken: {fault}"),
    "act.configuration.save": ("Konfigurasi disimpan", "Configuration saved"),
    "act.configuration.apply": ("Konfigurasi diterapkan", "Configuration applied"),
    "act.phone.read": ("Kata sandi telepon dilihat", "Phone password looked at"),
    "act.user.add": ("Pengguna ditambahkan", "User added"),
    "act.user.change": ("Pengguna diubah", "User changed"),
    "act.user.remove": ("Pengguna dihapus", "User removed"),
    "act.user.password": ("Kata sandi diganti", "Password changed"),
    "act.token.create": ("Token dibuat", "Token made"),
    "act.token.revoke": ("Token dicabut", "Token revoked"),
    "act.prompt.upload": ("Pesan suara diunggah", "Sound prompt uploaded"),
    "act.prompt.use": ("Versi pesan suara dipakai", "Sound prompt's version put to use"),
    "act.rules.save": ("Aturan penelepon iseng disimpan", "Nuisance rules saved"),
    "act.cells.import": ("Tabel sel diimpor", "Cell table imported"),
    "act.call.annotate": ("Catatan panggilan diubah", "Call annotated"),
    "act.call.callback": ("Panggil balik", "Call back"),
    "act.call.silent_check": ("Penelepon diam ditanya", "Silent caller asked"),
    "act.abandoned.close": ("Panggilan terlepas ditutup", "Abandoned call closed"),
    "act.abandoned.reopen": ("Panggilan terlepas dibuka lagi", "Abandoned call opened again"),
    "act.operator.login": ("Operator dimasukkan", "Operator logged in"),
    "act.operator.logout": ("Operator dikeluarkan", "Operator logged out"),
    "act.operator.pause": ("Operator dijeda", "Operator paused"),
    "act.operator.unpause": ("Jeda operator selesai", "Operator back"),
}

_PROBLEMS: Mapping[str, str] = {
    "not-authenticated": "Masuklah dahulu.",
    "not-allowed": "Hak Anda tidak mencakup ini.",
    "not-found": "Tidak ada yang bernama demikian.",
    "bad-input": "Isian tidak dapat diterima; tidak ada yang diubah.",
    "last-admin": "Ini admin terakhir yang dapat masuk: jadikan pengguna lain admin dahulu.",
    "overloaded": "Terlalu banyak permintaan sekaligus; coba lagi sebentar.",
    "edit-conflict": "Orang lain mengubah konfigurasi lebih dahulu, atau sedang menerapkannya; lihat lagi dan ulangi.",
    "configuration-invalid": "Konfigurasi ini tidak akan berjalan; tidak ada yang diterapkan.",
    "configuration-faulty": "Konfigurasi ini salah; tidak ada yang diubah.",
    "apply-failed": "Asterisk tidak menerima konfigurasi ini; yang lama sudah kembali.",
    "asterisk-unavailable": "Asterisk tidak dapat dihubungi; tidak ada yang diubah. Panggilan tetap berjalan.",
    "asterisk-refused": "Asterisk menolak.",
    "outcome-unknown": "Asterisk tidak menjawab pada waktunya; lihat keadaannya dahulu sebelum mengulang.",
    "database-unavailable": "Basis data tidak menjawab. Panggilan 112 tetap berjalan; coba lagi sebentar.",
}
"""The Indonesian sentence for a kind of error; English ones are the error's own."""


class ForeignForm(NotAllowed):
    """A form came from a page of another site."""


def words(key: str, lang: str, **told: object) -> str:
    """A text in this language."""
    pair = WORDS[key]
    text = pair[0] if lang == "id" else pair[1]
    return text.format(**told) if told else text


def problem(error: Pbx112Error, lang: str, *, signing_in: bool = False) -> str:
    """An error in words."""
    if lang == "en" and not isinstance(error, ConfigurationFaulty):
        return str(error)
    if isinstance(error, ForeignForm):
        return "Formulir ini tidak dikirim oleh halaman layanan ini."
    if lang == "en":
        return "The configuration has faults; nothing was changed."
    if signing_in and error.slug == "not-authenticated":
        disabled = "disabled" in str(error)
        return "Pengguna ini dinonaktifkan; admin dapat mengaktifkannya." if disabled else "Nama atau kata sandi salah."
    slug = "not-found" if isinstance(error, NotFound) else error.slug
    return _PROBLEMS.get(slug, str(error))
