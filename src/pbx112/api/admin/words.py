"""What the pages say, in both languages; what a field of the configuration is called stands in the domain."""

from collections.abc import Mapping

from pbx112.api.admin.texts_around import AROUND
from pbx112.api.admin.texts_centre import CENTRE
from pbx112.api.admin.texts_people import PEOPLE
from pbx112.api.admin.texts_running import RUNNING
from pbx112.domain.errors import ConfigurationFaulty, NotAllowed, NotFound, Pbx112Error

LANGUAGES: Mapping[str, str] = {"id": "Indonesia", "en": "English"}

WORDS: Mapping[str, tuple[str, str]] = {**AROUND, **CENTRE, **RUNNING, **PEOPLE}

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
