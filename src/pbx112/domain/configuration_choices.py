"""What an admin may choose of, where a field has a fixed set of values; in both languages."""

from collections.abc import Mapping

from pbx112.domain.configuration_words import spoken

CHOICES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "strategy": {
        "rrmemory": (
            "Bergiliran, melanjutkan dari yang terakhir",
            "In turn, going on behind who was rung last",
        ),
        "leastrecent": ("Yang paling lama tidak menerima panggilan", "Who has been without a call the longest"),
        "fewestcalls": ("Yang paling sedikit menerima panggilan", "Who has taken the fewest calls"),
        "random": ("Acak", "At random"),
        "ringall": ("Semua sekaligus", "All at once"),
        "linear": ("Menurut urutan, selalu dari yang pertama", "In their order, always from the first"),
        "wrandom": ("Acak, penalti kecil lebih sering", "At random, a lower penalty more often"),
        "rrordered": ("Bergiliran menurut urutan tetap", "In turn, in a fixed order"),
    },
    "answer_mode": {
        "operator": ("Hanya bila operator menjawab", "Only when an operator answers"),
        "immediate": ("Langsung, dengan pesan suara", "At once, by a prompt"),
        "after": ("Setelah berdering beberapa detik", "After some seconds of ringing"),
    },
    "number_format": {
        "auto": ("Dikenali sendiri", "Recognised by itself"),
        "e164": ("Internasional (62812…)", "International (62812…)"),
        "national": ("Nasional (0812…)", "National (0812…)"),
    },
    "kind": {
        "queue": ("Pindah ke antrean lain", "Go to another queue"),
        "supervisors": ("Bunyikan telepon penyelia", "Ring the supervisors"),
        "number": ("Telepon nomor lain", "Call another number"),
        "announcement": ("Putar pengumuman", "Play the announcement"),
    },
    "language": {"id": ("Indonesia", "Indonesian"), "en": ("Inggris", "English")},
}


def choice(field: str, value: str, lang: str) -> str:
    """A chosen value in words; what has none stays as it is."""
    words = CHOICES.get(field, {}).get(value)
    return value if words is None else spoken(words, lang)
