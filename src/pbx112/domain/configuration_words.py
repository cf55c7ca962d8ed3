"""What an admin reads of a configuration: fields, their units and meanings, and what is wrong; in both languages."""

from collections.abc import Mapping
from dataclasses import dataclass

from pbx112.domain.configuration_parts import Fault


@dataclass(frozen=True, slots=True)
class FieldWords:
    """A field's name, its unit (empty: none) and what it does; each as (Indonesian, English)."""

    label: tuple[str, str]
    unit: tuple[str, str] = ("", "")
    meaning: tuple[str, str] = ("", "")


def spoken(pair: tuple[str, str], lang: str) -> str:
    """The text in this language."""
    return pair[0] if lang == "id" else pair[1]


_SECONDS = ("detik", "seconds")

KINDS: Mapping[str, tuple[str, str]] = {
    "queues": ("Antrean", "Queue"),
    "operators": ("Operator", "Operator"),
    "agencies": ("Instansi", "Agency"),
    "trunks": ("Trunk", "Trunk"),
    "calendars": ("Kalender", "Calendar"),
    "entry_rules": ("Aturan masuk", "Entry rule"),
    "default_queue": ("Antrean utama", "Default queue"),
    "surge": ("Mode lonjakan", "Surge mode"),
}

FIELDS: Mapping[str, FieldWords] = {
    "name": FieldWords(
        ("Nama akun", "Account name"),
        meaning=(
            "Huruf, angka, - dan _; tidak dapat diubah lagi.",
            "Letters, digits, - and _; it never changes once used.",
        ),
    ),
    "display_name": FieldWords(("Nama", "Name"), meaning=("Yang dibaca orang; boleh diubah.", "What people read.")),
    "strategy": FieldWords(
        ("Strategi", "Strategy"),
        meaning=("Operator bebas mana yang didering dahulu.", "Which free operator is rung first."),
    ),
    "ring_seconds": FieldWords(
        ("Lama dering", "Ring time"),
        _SECONDS,
        (
            "Selama ini telepon seorang operator berdering sebelum operator berikutnya.",
            "So long an operator's phone rings before the next one's does.",
        ),
    ),
    "retry_seconds": FieldWords(
        ("Jeda antardering", "Pause between rings"),
        _SECONDS,
        ("Jeda sebelum operator berikutnya didering.", "Pause before the next operator is rung."),
    ),
    "wrapup_seconds": FieldWords(
        ("Waktu penyelesaian", "Wrap-up"),
        _SECONDS,
        (
            "Setelah bicara, operator tidak didering selama ini.",
            "So long after a talk an operator is not rung.",
        ),
    ),
    "answer_mode": FieldWords(
        ("Kapan dijawab", "When the call is answered"),
        meaning=(
            "operator: hanya oleh operator; immediate: langsung dengan pesan; after: setelah beberapa detik berdering.",
            "operator: by an operator only; immediate: at once by a prompt; after: after some seconds of ringing.",
        ),
    ),
    "answer_after_seconds": FieldWords(
        ("Berdering dahulu", "Rings first"),
        _SECONDS,
        ("Bila dijawab setelah beberapa detik (after).", "When it is answered after some seconds (after)."),
    ),
    "priority": FieldWords(
        ("Prioritas", "Priority"),
        meaning=("Lebih besar lebih dahulu.", "The larger, the earlier."),
    ),
    "language": FieldWords(
        ("Bahasa", "Language"), meaning=("Bahasa pesan suara: id atau en.", "Of the prompts: id or en.")
    ),
    "overflow": FieldWords(
        ("Daftar luapan", "Overflow list"),
        meaning=(
            "Operator yang teleponnya berdering bila tidak ada yang masuk.",
            "Operators whose phones ring while nobody is logged in.",
        ),
    ),
    "service_level_seconds": FieldWords(
        ("Batas layanan", "Service level"),
        _SECONDS,
        ("Panggilan harus dijawab dalam waktu ini.", "Calls should be answered within this time."),
    ),
    "silent_wait_seconds": FieldWords(
        ("Tunggu tombol", "Wait for a key"),
        _SECONDS,
        ("Waktu bagi penelepon yang diam untuk menekan tombol.", "Time for a silent caller to press a key."),
    ),
    "silent_repeats": FieldWords(
        ("Ulangi pertanyaan", "Repeats of the question"),
        meaning=("Berapa kali penelepon yang diam ditanya.", "How often a silent caller is asked."),
    ),
    "skill": FieldWords(
        ("Keahlian", "Skill"),
        meaning=(
            "Operator dengan tingkat tertinggi didering dahulu; kosong: tanpa keahlian.",
            "Operators who have it best are rung first; empty: none is asked for.",
        ),
    ),
    "widening": FieldWords(
        ("Perluasan", "Widening"),
        meaning=(
            "Setelah sekian detik, operator dengan tingkat ini ke atas juga didering (0: semua).",
            "After so many seconds operators of this level and above are rung too (0: everybody).",
        ),
    ),
    "tiers": FieldWords(
        ("Rantai luapan", "Overflow chain"),
        meaning=(
            "Setelah menunggu sekian detik: antrean lain, penyelia, nomor pusat tetangga, atau pengumuman.",
            "After so long a wait: another queue, supervisors, a neighbour centre's number, or an announcement.",
        ),
    ),
    "missed_offers": FieldWords(
        ("Dering tak dijawab", "Missed offers"),
        meaning=(
            "Operator dijeda setelah sekian dering berturut-turut tak dijawab (0: tidak pernah).",
            "An operator is paused after so many missed offers in a row (0: never).",
        ),
    ),
    "comfort": FieldWords(
        ("Pesan tunggu", "Comfort prompt"),
        meaning=("Nama pesan suara; kosong: bawaan.", "A prompt's name; empty: the built-in one."),
    ),
    "recording": FieldWords(
        ("Rekam", "Record"),
        meaning=(
            "Panggilan direkam sejak terhubung sampai selesai, termasuk pengarahan ke instansi.",
            "Calls are recorded from their first sound to their end, with the briefings of agencies.",
        ),
    ),
    "extension": FieldWords(("Nomor ekstensi", "Extension"), meaning=("2 sampai 8 angka.", "2 to 8 digits.")),
    "memberships": FieldWords(
        ("Antrean", "Queues"),
        meaning=(
            "Antrean yang dilayani; penalti lebih kecil didering dahulu.",
            "The queues he serves; a lower penalty is rung first.",
        ),
    ),
    "skills": FieldWords(("Keahlian", "Skills"), meaning=("Tingkat 1 sampai 9.", "Levels 1 to 9.")),
    "supervisor": FieldWords(
        ("Penyelia", "Supervisor"),
        meaning=("Didering juga oleh rantai luapan.", "Rung by overflow chains too."),
    ),
    "lines": FieldWords(
        ("Saluran", "Lines"), meaning=("Akun SIP menurut urutan dering.", "SIP accounts in ringing order.")
    ),
    "code": FieldWords(
        ("Kode", "Code"),
        meaning=(
            "Operator menekan *1 dan kode ini untuk menghubungi instansi; 1 atau 2 angka; kosong: hanya lewat layar.",
            "Operators press *1 and this to reach the agency; 1 or 2 digits; empty: by the screen only.",
        ),
    ),
    "confirm": FieldWords(
        ("Harus menekan 1", "Must press 1"),
        meaning=("Kotak suara tidak dihitung sebagai jawaban.", "No voicemail counts as an answer."),
    ),
    "blind": FieldWords(
        ("Boleh tanpa pengantar", "Blind transfer allowed"),
        meaning=("Operator boleh langsung pergi (*8).", "The operator may leave at once (*8)."),
    ),
    "sources": FieldWords(
        ("Alamat asal", "Source addresses"),
        meaning=(
            "Setiap alamat SBC operator seluler; alamat lain ditolak.",
            "Every address of the carrier's SBCs; other addresses are refused.",
        ),
    ),
    "trusted": FieldWords(
        ("Dipercaya", "Trusted"),
        meaning=("Identitas penelepon (PAI) dipercaya.", "Its P-Asserted-Identity is believed."),
    ),
    "from_trusted": FieldWords(
        ("From dipercaya", "From trusted"), meaning=("Nomor di From dipercaya.", "Its From is believed.")
    ),
    "number_format": FieldWords(
        ("Format nomor", "Number format"), meaning=("auto, e164 atau national.", "auto, e164 or national.")
    ),
    "pseudo_patterns": FieldWords(
        ("Pola nomor semu", "Pseudo-number patterns"),
        meaning=("Ekspresi reguler nomor tanpa SIM.", "Regular expressions of SIM-less calls' numbers."),
    ),
    "outbound": FieldWords(
        ("Alamat panggil balik", "Address for calls back"),
        meaning=("host:port; kosong: tidak ada panggil balik.", "host:port; empty: no calls back."),
    ),
    "drill": FieldWords(
        ("Latihan", "Drill"),
        meaning=(
            "Hanya untuk trunk 127.0.0.112, yang dengannya sistem menguji dirinya.",
            "For the trunk 127.0.0.112 only, by which the system tests itself.",
        ),
    ),
    "default_queue": FieldWords(
        ("Antrean utama", "Default queue"),
        meaning=(
            "Untuk semua penelepon yang tidak cocok dengan aturan mana pun.",
            "For every caller whom no rule fits.",
        ),
    ),
    "entry_rules": FieldWords(("Aturan", "Rule")),
    "shifts": FieldWords(("Giliran jaga", "Shifts"), meaning=("Sambung-menyambung 24 jam.", "24 hours without a gap.")),
    "queue": FieldWords(("Antrean", "Queue")),
    "trunk": FieldWords(("Trunk", "Trunk"), meaning=("Kosong: semua.", "Empty: all.")),
    "dialled": FieldWords(("Nomor yang dituju", "Dialled number"), meaning=("Kosong: semua.", "Empty: all.")),
    "service": FieldWords(
        ("Layanan darurat", "Emergency service"),
        meaning=("Misalnya sos.fire; kosong: semua.", "Such as sos.fire; empty: all."),
    ),
    "kind": FieldWords(("Yang dilakukan", "What is done")),
    "after_seconds": FieldWords(("Setelah menunggu", "After a wait of"), _SECONDS),
    "target": FieldWords(
        ("Tujuan", "Target"),
        meaning=("Nama antrean atau nomor; selain itu kosong.", "A queue's name or a number; else empty."),
    ),
    "level": FieldWords(("Tingkat", "Level")),
    "penalty": FieldWords(("Penalti", "Penalty")),
    "skill_name": FieldWords(("Keahlian", "Skill")),
    "shift_name": FieldWords(("Nama giliran", "Shift's name")),
    "caller_language": FieldWords(
        ("Bahasa ponsel", "Phone's language"),
        meaning=("Misalnya en; kosong: semua.", "Such as en; empty: all."),
    ),
    "rule_priority": FieldWords(
        ("Prioritas", "Priority"), meaning=("Kosong: milik antrean.", "Empty: the queue's own.")
    ),
    "number_trunk": FieldWords(
        ("Trunk", "Trunk"), meaning=("Untuk nomor lain; selain itu kosong.", "For another number; else empty.")
    ),
    "start": FieldWords(("Mulai", "Start"), meaning=("HH:MM.", "HH:MM.")),
    "end": FieldWords(("Selesai", "End"), meaning=("HH:MM.", "HH:MM.")),
}

_FAULTS: Mapping[str, tuple[str, str]] = {
    "no_queue": (
        "Antrean {queue} tidak ada; buat dahulu, atau pilih yang lain.",
        "There is no queue {queue}; create it first, or choose another.",
    ),
    "no_trunk": (
        "Tidak ada trunk: tidak ada panggilan 112 yang dapat masuk. Tambahkan sedikitnya satu.",
        "There is no trunk: no 112 call could come in. Add one at least.",
    ),
    "no_drill_trunk": (
        "Trunk latihan (drill, dari 127.0.0.112) harus tetap ada: tanpa itu sistem tidak dapat menguji dirinya.",
        "The drill trunk (from 127.0.0.112) must stay: without it the system cannot test itself.",
    ),
    "nobody": (
        "Antrean {queue} tidak punya anggota dan tidak punya daftar luapan: panggilan 112 tidak akan membunyikan "
        "telepon siapa pun. Masukkan operator ke antrean itu, atau isi daftar luapannya.",
        "Queue {queue} has no member and no overflow list: a 112 call would ring nobody. Put operators into it, or "
        "fill its overflow list.",
    ),
    "loop": (
        "Rantai luapan berputar: {queues}. Akhiri dengan penyelia, nomor, atau pengumuman.",
        "The overflow chain runs in a circle: {queues}. End it with supervisors, a number or an announcement.",
    ),
    "no_supervisor": (
        "Rantai luapan memanggil penyelia, tetapi tidak ada operator yang menjadi penyelia.",
        "The overflow chain calls supervisors, but no operator is one.",
    ),
    "too_many": ("Paling banyak {most}.", "There can be {most} at most."),
    "twice": ("{name} ada dua kali.", "{name} stands there twice."),
    "account_twice": (
        "Akun SIP {name} sudah dipakai; pilih nama lain.",
        "The SIP account {name} is used already; choose another name.",
    ),
    "extension_twice": (
        "Ekstensi {extension} dipakai dua operator; ubah salah satu.",
        "The extension {extension} is used by two operators; change one.",
    ),
    "name": (
        "{name!r} bukan nama akun: huruf, angka, - dan _, paling banyak 40, diawali huruf atau angka.",
        "{name!r} is no account name: letters, digits, - and _, at most 40, beginning with a letter or digit.",
    ),
    "reserved": ("Nama {name} dipakai sistem; pilih yang lain.", "The name {name} is the system's; choose another."),
    "display_name": (
        "Nama berisi 1 sampai 60 huruf yang dapat dicetak.",
        "A name has 1 to 60 printable characters.",
    ),
    "range": ("{value} di luar batas: {least} sampai {most}.", "{value} is out of range: {least} to {most}."),
    "no_operator": ("Tidak ada operator {operator}.", "There is no operator {operator}."),
    "not_ascending": (
        "Waktu rantai luapan harus menaik.",
        "The times of the overflow chain must ascend.",
    ),
    "queue_not_last": (
        "Setelah pindah ke antrean lain, rantai antrean itu yang berlaku: taruh langkah ini paling akhir.",
        "Behind a change of queue the other queue's chain counts: put that step last.",
    ),
    "widening_without_skill": (
        "Perluasan membutuhkan keahlian: isi keahlian, atau kosongkan perluasan.",
        "Widening needs a skill: name one, or leave the widening empty.",
    ),
    "widening_order": (
        "Langkah perluasan: detik menaik, tingkat menurun.",
        "Steps of the widening: seconds ascend, levels descend.",
    ),
    "number": (
        "{number!r} bukan nomor telepon: 3 sampai 15 angka, boleh diawali +.",
        "{number!r} is no telephone number: 3 to 15 digits, perhaps with a leading +.",
    ),
    "no_such_trunk": ("Tidak ada trunk {trunk!r}.", "There is no trunk {trunk!r}."),
    "no_outbound": (
        "Trunk {trunk} tidak punya alamat panggil balik: tidak ada panggilan keluar lewat situ.",
        "Trunk {trunk} has no address for calls back: no call can leave by it.",
    ),
    "extension": (
        "{extension!r} bukan ekstensi: 2 sampai 8 angka, dan bukan 112.",
        "{extension!r} is no extension: 2 to 8 digits, and not 112.",
    ),
    "code": ("{code!r} bukan kode: 1 atau 2 angka.", "{code!r} is no code: 1 or 2 digits."),
    "code_twice": (
        "Kode {code} sama dengan, atau awal dari, kode instansi lain.",
        "The code {code} is another agency's, or the beginning of one.",
    ),
    "language": ("Bahasa {language!r} tidak ada: {languages}.", "There is no language {language!r}: {languages}."),
    "no_source": (
        "Trunk {trunk} tidak punya alamat asal: tidak ada panggilan yang dapat masuk. Isi setiap alamat SBC-nya.",
        "Trunk {trunk} has no source address: no call could come in by it. Name every address of its SBCs.",
    ),
    "source": (
        "{source!r} bukan alamat: tulis alamat IP, jaringan (10.1.2.0/24), atau nama host.",
        "{source!r} is no address: write an IP address, a network (10.1.2.0/24) or a host name.",
    ),
    "source_twice": (
        "{source} sudah milik trunk {trunk}: Asterisk tidak dapat membedakan keduanya.",
        "{source} belongs to trunk {trunk} already: Asterisk could not tell the two apart.",
    ),
    "pattern": (
        "{pattern!r} bukan pola yang dapat dipakai: ekspresi reguler, paling banyak 100 huruf, tanpa "
        "pengulangan ganda.",
        "{pattern!r} is no usable pattern: a regular expression of 100 characters at most, without nested repeats.",
    ),
    "address": (
        "{address!r} bukan alamat: tulis host:port, misalnya 10.1.2.3:5060.",
        "{address!r} is no address: write host:port, such as 10.1.2.3:5060.",
    ),
    "dialled": ("{dialled!r} bukan nomor tujuan.", "{dialled!r} is not what a carrier can dial."),
    "service": (
        "{service!r} bukan layanan darurat: sos, sos.fire, sos.police, sos.ambulance ..",
        "{service!r} is no emergency service: sos, sos.fire, sos.police, sos.ambulance ..",
    ),
    "rule_language": (
        "{language!r} bukan bahasa: dua atau tiga huruf, misalnya en.",
        "{language!r} is no language: two or three letters, such as en.",
    ),
    "no_shift": ("Kalender harus punya giliran jaga.", "A calendar needs shifts."),
    "no_prompt": (
        "Pesan {prompt} belum ada dalam bahasa {language}: penelepon mendengar pesan bawaan. Unggah pesan itu.",
        "There is no prompt {prompt} in the language {language}: callers hear the built-in one. Upload it.",
    ),
    "time": ("{time!r} bukan jam: tulis HH:MM.", "{time!r} is no time: write HH:MM."),
    "shift_gap": (
        "Giliran jaga harus sambung-menyambung selama 24 jam.",
        "The shifts must follow each other over 24 hours, without a gap.",
    ),
}


def say(fault: Fault, lang: str) -> str:
    """A fault in words, with the field it is about."""
    return f"{place(fault.where, lang)}: {what(fault, lang)}"


def what(fault: Fault, lang: str) -> str:
    """A fault in words, without its field."""
    return spoken(_FAULTS[fault.problem], lang).format(**fault.told)


def place(where: str, lang: str) -> str:
    """A field's way in words: `queues.112.tiers.0.target` is `Queue 112, overflow chain 1, target`."""
    kind, *steps = where.split(".")
    words = [spoken(KINDS[kind], lang)]
    if steps:
        words[0] += f" {int(steps[0]) + 1 if kind == 'entry_rules' and steps[0].isdigit() else steps[0]}"
    for step in steps[1:]:
        if step.isdigit():
            words[-1] += f" {int(step) + 1}"
        else:
            words.append(label(step, lang))
    return ", ".join(words)


def label(name: str, lang: str) -> str:
    """A field's name for people."""
    return spoken(FIELDS[name].label, lang) if name in FIELDS else name
