"""Texts in several scripts, and packs made of them, installed in a folder of their own."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from ruach_core.scaffold.choose import Choices, choose
from ruach_core.scaffold.observe import TextFacts, observe
from ruach_core.scaffold.pack import NewPack, build_pack, write_pack
from ruach_core.scaffold.render import About
from ruach_core.testing.plugins import site_on_path, write_distribution

ROOT = Path(__file__).resolve().parents[2]

TEXTS = {
    # Swahili, whose ng' is a consonant; typed in three ways, with slips of spacing.
    "swh": [
        "Ng'ombe wangu wanakula nyasi , na mimi nang'oa magugu.",
        "Ng’ombe watano walikuja jana! Je, umewaona?",
        "Mtoto anang`aa uso wake; amefurahi sana.",
        "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa.",
        "Wote wamejaliwa akili na dhamiri, hivyo yapasa watendeane kindugu.",
        "Tulinunua mayai 12 sokoni, na sukari kilo 3.",
        "Kila mtu anastahili kuwa na haki zote na uhuru wote.",
    ],
    # Yoruba: letters with marks that have no precomposed form, here in NFD.
    "qyo": [
        "Gbogbo e\u0300nìyàn ni a bí ní òmìnira; iyì àti e\u0323\u0300tó\u0323 sì dó\u0323gba.",
        "Wó\u0323n ní e\u0300bùn làákàyè àti ti e\u0323\u0300rí-o\u0323kàn.",
        "ó sì ye\u0323 kí wo\u0323n ó máa hùwà sí ara wo\u0323n bí o\u0323mo\u0323 ìyá.",
    ],
    "tig": [
        "ሰላም፡ለኩም፡፡",
        "ሐዋይ እት ቤቱ ሀለ፣ ወእሙ እግል ትምጸእ ትቤ።",
        "ናይ ሕልም ዓለም ( ገጽ 3 ) ኣንበበ::",
        "እብ ክምሰልሁማ ኩሎም ሰኣል ምዕላት ቱ፧ ከአፎ?",
    ],
    "ckb": [
        "هەموو مرۆڤێک ئازاد و یەکسان لە کەرامەت و مافدا لە دایک دەبێت.",
        "ئەوان خاوەنی ئەقڵ و ویژدانن، و دەبێ بە گیانی برایەتی لەگەڵ یەکدا بجوڵێنەوە.",
        "تەمەنی ٢٥ ساڵە؛ می\u200cخواهم بێم.",
        "کتێبەکە لە کوێیە؟",
    ],
    "lad": [
        "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
        'כולם חוננו בתבונה ובמצפון, לפיכך חובה עליהם לנהוג איש ברעהו ברוח של אחווה: צה"ל.',
        "שָׁלוֹם לכם, ג׳ורג׳!",
    ],
    "bho": [
        "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
        "उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है , और उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।",
        "क\u094d\u200dष पढ़ाई १२ बजे, ज़रूर।",
    ],
    "cv": [
        "Пур ҫын та ирӗклӗ ҫуралать, вӗсен пурин те пӗр пек хисеп пур.",
        "Вӗсене ӑс-тӑн панӑ, вӗсем пӗр-пӗринпе тӑванла пулмалла.",
        "«Салам!» – терӗ вӑл. Эпӗ 1987 ҫулта ҫуралнӑ.",
    ],
    "xmf": [
        "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით.",
        "მათ მინიჭებული აქვთ გონება და სინდისი, და ერთმანეთის მიმართ უნდა იქცეოდნენ ძმობით.",
        "ჸვითელი ჸუდე, მა ვორექ; სი?",
    ],
    "crh": [
        "Bütün insanlar serbestlik, menlik ve uquqlarda musaviy olıp dünyağa keleler.",
        "Olar aqıl ve vicdan saibidirler; İŞ ve IŞIQ.",
        "Qırım'nıñ sayısı 3, İsmail'niñ işi.",
    ],
}  # fmt: skip
SCRIPTS = {
    "swh": "Latn", "qyo": "Latn", "tig": "Ethi", "ckb": "Arab", "lad": "Hebr", "bho": "Deva",
    "cv": "Cyrl", "xmf": "Geor", "crh": "Latn",
}  # fmt: skip


def about(code: str, **changes: str) -> About:
    """What a user says of a made-up language."""
    values = {
        "code": code,
        "iso639_3": code if len(code) == 3 else "qaa",
        "name": f"Made-up {code}",
        "autonym": "Made up",
        "whisper_language": "en",
        "reason": "made up for tests",
        "maintainer": "Nobody <nobody@example.org>",
        "license": "MIT",
    }
    return About(**{**values, **changes})


@dataclass(frozen=True)
class Made:
    """A pack, what it was made of, and where it lies."""

    code: str
    facts: TextFacts
    choices: Choices
    pack: NewPack
    folder: Path


def install(folder: Path, site: Path) -> None:
    """Install a pack's folder as pip would: its package, its entry points."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    files = {
        path.relative_to(folder / "src").as_posix(): path.read_bytes().decode("utf-8")
        for path in (folder / "src").rglob("*")
        if path.is_file()
    }
    write_distribution(
        site,
        project["name"],
        version=project["version"],
        entry_points=project["entry-points"],
        files=files,
    )


def make(parent: Path, code: str, texts: list[str], **changes: str) -> Made:
    """Make a pack in a folder."""
    facts = observe(texts)
    choices = choose(facts, source="tests")
    folder = parent / f"ruach-lang-{code}"
    pack = build_pack(about(code, **changes), facts, choices, folder=folder.name)
    write_pack(folder, pack)
    return Made(code, facts, choices, pack, folder)


@pytest.fixture(scope="module")  # no longer: no other test may see what is installed here
def made_packs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Made]]:
    """A pack for each text, all installed."""
    parent, site = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch, site_on_path(site):
        patch.setenv("RUACH_PLUGINS", "")  # no base model: the figures are estimates
        patch.setenv("PYTHONPATH", str(site))
        packs = {code: make(parent, code, texts) for code, texts in TEXTS.items()}
        for made in packs.values():
            install(made.folder, site)
        yield packs


@pytest.fixture(params=list(TEXTS))
def made(request: pytest.FixtureRequest, made_packs: dict[str, Made]) -> Made:
    """Each of the packs in turn."""
    return made_packs[request.param]


@pytest.fixture(scope="session")
def scripts() -> dict[str, str]:
    """The script of each pack."""
    return SCRIPTS


@pytest.fixture
def make_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Made]:
    """Make one more pack: `make_pack(code, texts, name=...)`; not installed."""
    monkeypatch.setenv("RUACH_PLUGINS", "")
    return partial(make, tmp_path)


@pytest.fixture
def install_pack() -> Callable[[Path, Path], None]:
    """Install a pack's folder into a site folder."""
    return install
