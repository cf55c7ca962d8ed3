"""What the pages say around everything else: the frame, the banner, signing in, errors."""

from collections.abc import Mapping

AROUND: Mapping[str, tuple[str, str]] = {
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
}
"""Each as (Indonesian, English)."""
