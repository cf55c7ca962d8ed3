"""What the pages say of the centre: its lists, forms and sound prompts, and the overview."""

from collections.abc import Mapping

CENTRE: Mapping[str, tuple[str, str]] = {
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
}
"""Each as (Indonesian, English)."""
