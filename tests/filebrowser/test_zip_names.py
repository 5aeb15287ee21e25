"""Names in zips whose packers did not say how they are written."""

import zlib

import pytest

from filebrowser.zip_names import decode_name, guess_encoding, unicode_name

CHINESE = """
中文.txt 图片.png 新建文件夹/说明.txt 测试a.txt photo中.jpg
a意.txt 转账.txt 一.png 模型/二次元.ckpt 女孩(1).png
联通.txt 資料夾/圖片.png 你好，世界.txt 【合集】原神.zip
截图2023-01-01.png 转.txt 鲸鱼.png a好b.txt 小学.txt
"""
JAPANESE = """
日本語.txt テスト.txt 画像/猫.png ソフト.txt 表示.txt
かわいい女の子.png 新しいフォルダー/写真.jpg 説明書.pdf 東京.txt
女の子01.png 絵.png 能力.txt ﾃｽﾄ.txt 初音ミク.png
読んでね.txt 予定表.txt a猫.png 構成.txt
"""
WESTERN = """
Müller.txt résumé.txt Größe.txt château.png
Österreich.txt élève.txt Übung.txt niño.txt
señor.jpg garçon.txt Straße.txt naïve.txt
où.txt Äpfel.txt über/größer.txt
smörgåsbord.txt Fuß.txt página.txt
"""
OTHERS = """
Привет.txt Ελλάδα.txt שלום.txt مرحبا.txt
Ёлка.png u\u0308ber.txt Łódź.txt 한국어.txt
😀.png “q”.txt
"""
ENCODED = [
    *(("gbk", name) for name in CHINESE.split()),
    *(("cp932", name) for name in JAPANESE.split()),
    *(("cp1252", name) for name in WESTERN.split()),
    *(("cp437", name) for name in WESTERN.split()),
    *(("utf-8", name) for name in f"{CHINESE} {JAPANESE} {WESTERN} {OTHERS}".split()),
]


@pytest.mark.parametrize(("encoding", "name"), ENCODED)
def test_a_name_alone(encoding: str, name: str) -> None:
    data = name.encode(encoding)
    assert decode_name(data, guess_encoding([data])) == name


@pytest.mark.parametrize(
    ("encoding", "names"),
    [("gbk", CHINESE), ("cp932", JAPANESE), ("cp1252", WESTERN), ("cp437", WESTERN)],
)
def test_all_names_of_an_archive_are_guessed_together(encoding: str, names: str) -> None:
    data = [name.encode(encoding) for name in [*names.split(), "plain.txt"]]
    guessed = guess_encoding(data)
    assert guessed == encoding
    assert [decode_name(each, guessed) for each in data] == [*names.split(), "plain.txt"]
    assert decode_name(b"\x81 .txt", guessed) == "ü .txt"


def test_what_is_likely_in_no_encoding_is_as_the_standard_says() -> None:
    for name in (b"\xff\xfe\xfd.txt", b"plain.txt"):
        assert decode_name(name, guess_encoding([name])) == name.decode("cp437")
    assert guess_encoding([]) == "cp437"


def test_a_name_in_utf_8_beside_the_other_one() -> None:
    name, told = b"??.txt", "猫.txt".encode()
    data = b"\x01" + zlib.crc32(name).to_bytes(4, "little") + told
    extra = b"\x75\x70" + len(data).to_bytes(2, "little") + data
    assert unicode_name(name, extra) == "猫.txt"
    assert unicode_name(b"renamed.txt", extra) is None
    assert unicode_name(name, extra[:-1]) is None
