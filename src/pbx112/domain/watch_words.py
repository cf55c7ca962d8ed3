"""What the watchdog's alarms say, in the centre's language: what is wrong, and what to do."""

from collections.abc import Mapping

from pbx112.domain.watch import Finding

_WORDS: Mapping[str, tuple[str, str]] = {
    "queue_unserved": (
        "Antrean {queue}: ada penelepon menunggu dan {operator} bebas, tetapi sudah {seconds} detik tidak ada telepon "
        "operator yang berdering. Minta {operator} keluar (*12) dan masuk lagi (*11); jika tetap begitu, hubungi "
        "teknisi (pbx112 doctor).",
        "Queue {queue}: a caller waits and {operator} is free, but for {seconds} s no operator's phone has rung. "
        "Have {operator} log out (*12) and in again (*11); if that does not help, call the technician (pbx112 doctor).",
    ),
    "queue_nobody_waiting_overflow": (
        "Antrean {queue}: {callers} penelepon menunggu dan tidak ada operator yang masuk dengan telepon yang "
        "berfungsi. Hanya daftar luapan yang berdering: {overflow}. Segera masuk dengan *11.",
        "Queue {queue}: callers wait ({callers}) and no operator with a working phone is logged in. Only the overflow "
        "list rings: {overflow}. Log in with *11 at once.",
    ),
    "queue_nobody_waiting_no_overflow": (
        "Antrean {queue}: {callers} penelepon menunggu, tidak ada operator yang masuk dengan telepon yang berfungsi, "
        "dan tidak ada daftar luapan: TIDAK ADA telepon yang berdering. Segera masuk dengan *11.",
        "Queue {queue}: callers wait ({callers}), no operator with a working phone is logged in, and there is no "
        "overflow list: NO phone rings. Log in with *11 at once.",
    ),
    "queue_nobody_overflow": (
        "Antrean {queue}: tidak ada operator yang masuk dengan telepon yang berfungsi. Panggilan berikutnya hanya "
        "membunyikan daftar luapan: {overflow}. Operator jaga harus masuk dengan *11.",
        "Queue {queue}: no operator with a working phone is logged in. The next call rings the overflow list only: "
        "{overflow}. Whoever is on duty should log in with *11.",
    ),
    "queue_nobody_no_overflow": (
        "Antrean {queue}: tidak ada operator yang masuk dengan telepon yang berfungsi, dan tidak ada daftar luapan: "
        "panggilan berikutnya tidak membunyikan telepon mana pun. Operator jaga harus masuk dengan *11.",
        "Queue {queue}: no operator with a working phone is logged in, and there is no overflow list: the next call "
        "rings nobody. Whoever is on duty must log in with *11.",
    ),
    "queue_paused": (
        "Antrean {queue}: ada penelepon menunggu, tetapi semua operator sedang jeda ({operators}). "
        "Salah satu harus kembali dengan *14.",
        "Queue {queue}: callers wait, but every operator is paused ({operators}). One of them must come back with *14.",
    ),
    "caller_waiting": (
        "Antrean {queue}: {callers} penelepon menunggu terlalu lama, yang terlama {seconds} detik. "
        "Panggil operator tambahan atau akhiri jeda.",
        "Queue {queue}: callers wait too long ({callers} of them), the longest {seconds} s. "
        "Get more operators in, or end pauses.",
    ),
    "missed_paused": (
        "{operator} tidak menjawab beberapa panggilan berturut-turut dan dijeda: panggilan ke teleponnya percuma. "
        "Lihat apa yang terjadi padanya; ia kembali dengan *14.",
        "{operator} did not take several calls in a row and is paused: callers would ring an empty chair. "
        "See what is the matter; {operator} comes back with *14.",
    ),
    "missed_kept": (
        "{operator} tidak menjawab {count} panggilan berturut-turut (terakhir antrean {queue}) dan tidak dijeda, "
        "karena saat itu tidak ada operator lain yang dapat dibunyikan. Segera panggil {operator} atau operator lain.",
        "{operator} did not take {count} calls in a row (the last of queue {queue}) and is not paused, as nobody else "
        "could be rung at that moment. Get {operator} to the phone, or another operator in, at once.",
    ),
    "missed_failed": (
        "{operator} tidak menjawab {count} panggilan berturut-turut (terakhir antrean {queue}), tetapi tidak dapat "
        "dijeda. Jeda {operator} lewat API atau minta ia keluar (*12); periksa sambungan AMI (pbx112 doctor).",
        "{operator} did not take {count} calls in a row (the last of queue {queue}), but could not be paused. "
        "Pause {operator} by the API or have him log out (*12); look at the AMI link (pbx112 doctor).",
    ),
    "trunk_silent": (
        "Trunk {trunk}: tidak ada panggilan sejak {since}; biasanya sekitar {missing} panggilan dalam waktu itu. "
        "Coba panggil 112 dari telepon operator seluler itu dan hubungi layanan gangguannya.",
        "Trunk {trunk}: no call since {since}; usually about {missing} come in that time. "
        "Call 112 from a phone of that carrier, and call the carrier's fault desk.",
    ),
    "canary": (
        "Panggilan latihan otomatis gagal {times} kali berturut-turut: penelepon lain mungkin gagal juga. "
        "Jalankan `pbx112 doctor` dan coba panggil 112. Sebab: {problem}",
        "The service's own drill call failed {times} times in a row: other callers may fail too. "
        "Run `pbx112 doctor`, and call 112 yourself. Reason: {problem}",
    ),
    "journal_late": (
        "Catatan panggilan terlambat {seconds} detik; panggilan tetap berjalan. Periksa basis data dan disk "
        "(pbx112 doctor). {problem}",
        "The call records are {seconds} s late; calls go on. Look at the database and the disk (pbx112 doctor). "
        "{problem}",
    ),
    "ami_down": (
        "Sambungan AMI ke Asterisk putus {seconds} detik: papan langsung tidak diperbarui dan operator hanya dapat "
        "memakai kode *11 .. *14. Periksa Asterisk (pbx112 doctor) dan coba panggil 112.",
        "The AMI link to Asterisk has been down for {seconds} s: the live board stands still, and operators have only "
        "the codes *11 .. *14. Look at Asterisk (pbx112 doctor), and call 112 yourself.",
    ),
    "database_away": (
        "Basis data tidak menjawab {seconds} detik. Panggilan tetap berjalan; catatan menyusul setelah pulih. "
        "Periksa PostgreSQL (pbx112 doctor).",
        "The database has not answered for {seconds} s. Calls go on; records catch up when it is back. "
        "Look at PostgreSQL (pbx112 doctor).",
    ),
    "agi_down": (
        "Intake (FastAGI) tidak melayani {seconds} detik: panggilan diambil oleh skrip cadangan dan antrean bawaan, "
        "dengan lebih sedikit keterangan penelepon. Periksa log layanan.",
        "The intake (FastAGI) has not served for {seconds} s: calls are taken by the classic script and the default "
        "queue, with less known of the caller. Look at the service's log.",
    ),
}


def say(finding: Finding, lang: str) -> str:
    """The finding in the centre's language."""
    indonesian, english = _WORDS[finding.words]
    return (english if lang == "en" else indonesian).format(**finding.facts).rstrip()
