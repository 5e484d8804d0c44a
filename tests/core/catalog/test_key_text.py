import hashlib
import re
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.catalog.key_text import KeyText, NoKey

ALPHABET = string.digits + string.ascii_letters


def number(text: str) -> int:
    """Base 62, as anybody would read it."""
    order = string.digits + string.ascii_uppercase + string.ascii_lowercase
    return sum(order.index(digit) * 62**place for place, digit in enumerate(reversed(text)))


class TestNew:
    def test_it_has_a_prefix_256_bits_and_the_crc_of_all_before_it(self) -> None:
        secrets = set()
        for _ in range(200):
            key = KeyText.new()
            prefix, identity, secret, checksum = key.text.split("_")
            assert (prefix, identity) == ("elk", key.id)
            assert re.fullmatch("[0-9a-f]{12}", identity)
            assert number(secret) < 2**256
            assert number(checksum) == zlib.crc32(key.text.rpartition("_")[0].encode())
            secrets.add(number(secret))
        assert len(secrets) == 200
        # Of 200 random numbers one has its highest bits set, but for one time in 2^200.
        assert max(secrets).bit_length() == 256

    def test_its_digest_is_its_sha_256(self) -> None:
        key = KeyText.new()
        assert key.digest == hashlib.sha256(key.text.encode()).hexdigest()

    def test_it_does_not_show_in_logs(self) -> None:
        key = KeyText.new()
        assert key.text.split("_")[2] not in f"{key!r} {key}"


class TestRead:
    def test_one_that_was_made_is_read(self) -> None:
        key = KeyText.new()
        assert KeyText.read(key.text) == key

    @given(place=st.integers(0, 67), other=st.sampled_from(ALPHABET))
    def test_one_mistyped_character_is_told(self, place: int, other: str) -> None:
        text = KeyText.new().text
        wrong = text[:place] + other + text[place + 1 :]
        if wrong != text:
            with pytest.raises(NoKey):
                KeyText.read(wrong)

    @given(st.text(max_size=80))
    def test_any_other_text_is_no_key(self, text: str) -> None:
        with pytest.raises(NoKey):
            KeyText.read(text)
