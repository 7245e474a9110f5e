from textvae.keys import flatten, key_of, within


def test_sections_become_dotted_keys_and_an_empty_one_stands_for_itself():
    assert flatten({"a": {"b": {"c": 1}, "d": []}, "e": {}, "f": None}) == {
        "a.b.c": 1,
        "a.d": [],
        "e": {},
        "f": None,
    }


def test_a_key_is_within_itself_and_the_sections_above_it():
    assert all(within("a.b.c", {section}) for section in ("a", "a.b", "a.b.c"))
    assert not any(within("a.b.c", {section}) for section in ("a.b.c.d", "ab", "b", "a.bc"))


def test_the_key_of_an_override_is_without_its_sign_and_value():
    assert [key_of(item) for item in ("a.b=c=d", "+a=", "++a=1", "~a.b")] == ["a.b", "a", "a", "a.b"]
