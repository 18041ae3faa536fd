"""What special_requests.py asks of a session, and the exact answers: one Case for each request.

A Case says what the session was, what is asked, what must be answered when the session lives and when there is none, and what the
session is afterwards. In requests and answers %(k)s stands for the key, %(b)s for the key in base64, %(c)d in requests for the
session's cas number, and in answers <cas> for any.
"""

import base64
import dataclasses
import re
import struct
import time

DAY_S = 86400
MONTH_S = 30 * DAY_S
LIMIT_BYTES = 1 << 20
FLAGS_MAX = (1 << 32) - 1
NO_CAS = 5  # nobody's: a session's is a time in microseconds, and more
UNAVAILABLE = b"SERVER_ERROR the session database cannot be asked\r\n"


@dataclasses.dataclass(frozen=True)
class Session:
    """What a session is, or is found to be. ttl None: not looked at; -1: no end."""
    value: bytes = b"v:one"
    flags: int = 7
    ttl: int = None


ONE = Session()
TEN = Session(b"10", 0)
NONE = None
UNCHANGED = Session(b"stands for: as it was")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    request: object  # a template, or a function of the key and the cas number
    live: object  # the answer when the session lives
    missing: object  # and when there is none
    unknown: object = UNAVAILABLE  # and when the database cannot be asked; the rule's action is "error"
    was: Session = ONE
    then: Session = UNCHANGED  # what a live one is afterwards
    made: Session = NONE  # what is there afterwards where there never was one
    made_durable: Session = UNCHANGED  # the same after a restart, when that is not the same
    after_delete: Session = NONE  # and where one was deleted: a writer that knows nothing of the delete changes nothing
    then_unknown: Session = UNCHANGED  # what the database has in the end when it could not be asked
    key: bytes = b""  # ends the key
    is_binary: bool = False

    @property
    def needs_database(self):
        """Neither a delete, which is carried out without knowing, nor a request that is wrong by itself."""
        return self.then_unknown is not NONE and not self.is_blind_set and (self.live != self.unknown or self.live == b"")

    @property
    def is_blind_set(self):
        """A plain set: stored although nobody knows of what."""
        asked = fill(self.request, b"k", 1)
        if self.live == self.unknown and self.live != b"":
            return False  # wrong by itself
        if self.is_binary:
            return asked[1] in (SET, SETQ) and asked[16:24] == bytes(8)
        return asked.startswith(b"set ") or re.match(rb"ms (?!.* (M[^S]|C|E))", asked) is not None

    def durable(self, made):
        return made if self.made_durable is UNCHANGED else self.made_durable


def fill(template, key, cas=NO_CAS):
    """The bytes of a request."""
    if callable(template):
        return template(key, cas)
    return template % {b"k": key, b"b": base64.b64encode(key), b"c": cas}


def pattern(template, key):
    """A regular expression for an answer."""
    if callable(template):
        return template(key)
    if isinstance(template, re.Pattern):
        return template
    return re.compile(re.escape(fill(template, key)).replace(re.escape(b"<cas>"), rb"\d+"), re.S)


# -- Text --------------------------------------------------------------------------------------------------------------

HIT = b"VALUE %(k)s 7 5\r\nv:one\r\nEND\r\n"
HIT_CAS = b"VALUE %(k)s 7 5 <cas>\r\nv:one\r\nEND\r\n"
TWO = Session(b"two", 1)
SET_TWO = b"%(k)s 1 1000 3\r\ntwo\r\n"


def limit_for(key, flags):
    """The largest value that memcached takes: its header and cas, the key, the ends, and flags where there are any."""
    return LIMIT_BYTES - 56 - (len(key) + 1) - 2 - (4 if flags else 0)


def largest(form, beyond=0, flags=9):
    """A request with the largest value, or with one some bytes larger: %(k)s, %(n)d its size, %(v)s the value."""
    def request(key, _cas):
        size = limit_for(key, flags) + beyond
        return form % {b"k": key, b"n": size, b"v": b"x" * size}
    return request


class Largest(Session):
    """Its size depends on the key."""


LARGEST = Largest(b"", 9)
SET_LARGEST = b"set %(k)s 9 1000 %(n)d\r\n%(v)s\r\n"
TOO_LARGE_LINE = b"SERVER_ERROR object too large for cache\r\n"

TEXT_READS = (
    Case("get", b"get %(k)s\r\n", HIT, b"END\r\n"),
    Case("gets", b"gets %(k)s\r\n", HIT_CAS, b"END\r\n"),
    Case("get_twice_in_a_line", b"get %(k)s %(k)s\r\n", b"VALUE %(k)s 7 5\r\nv:one\r\n" + HIT, b"END\r\n"),
    Case("gat", b"gat 100 %(k)s\r\n", HIT, b"END\r\n", then=Session(ttl=100)),
    Case("gats", b"gats 100 %(k)s\r\n", HIT_CAS, b"END\r\n", then=Session(ttl=100)),
    Case("gat_for_ever", b"gat 0 %(k)s\r\n", HIT, b"END\r\n", then=Session(ttl=-1)),
    Case("gat_of_30_days", b"gat 2592000 %(k)s\r\n", HIT, b"END\r\n", then=Session(ttl=MONTH_S)),
    Case("gat_to_the_past_deletes", b"gat -1 %(k)s\r\n", HIT, b"END\r\n", then=NONE),
    Case("gat_of_30_days_and_1_is_a_date_in_1970", b"gat 2592001 %(k)s\r\n", HIT, b"END\r\n", then=NONE),
    Case("touch", b"touch %(k)s 100\r\n", b"TOUCHED\r\n", b"NOT_FOUND\r\n", then=Session(ttl=100)),
    Case("touch_for_ever", b"touch %(k)s 0\r\n", b"TOUCHED\r\n", b"NOT_FOUND\r\n", then=Session(ttl=-1)),
    Case("touch_of_30_days", b"touch %(k)s 2592000\r\n", b"TOUCHED\r\n", b"NOT_FOUND\r\n", then=Session(ttl=MONTH_S)),
    Case("touch_to_the_past_deletes", b"touch %(k)s -1\r\n", b"TOUCHED\r\n", b"NOT_FOUND\r\n", then=NONE),
    Case("touch_of_30_days_and_1_is_a_date_in_1970", b"touch %(k)s 2592001\r\n", b"TOUCHED\r\n", b"NOT_FOUND\r\n", then=NONE),
    Case("touch_noreply", b"touch %(k)s 100 noreply\r\n", b"", b"", b"", then=Session(ttl=100)),
)

TEXT_WRITES = (
    Case("set", b"set " + SET_TWO, b"STORED\r\n", b"STORED\r\n", then=TWO, made=TWO),
    Case("set_noreply", b"set %(k)s 1 1000 3 noreply\r\ntwo\r\n", b"", b"", b"", then=TWO, made=TWO),
    Case("add", b"add " + SET_TWO, b"NOT_STORED\r\n", b"STORED\r\n", made=TWO, after_delete=TWO),
    Case("add_noreply", b"add %(k)s 1 1000 3 noreply\r\ntwo\r\n", b"", b"", b"", made=TWO, after_delete=TWO),
    Case("replace", b"replace " + SET_TWO, b"STORED\r\n", b"NOT_STORED\r\n", then=TWO),
    Case("replace_noreply", b"replace %(k)s 1 1000 3 noreply\r\ntwo\r\n", b"", b"", b"", then=TWO),
    Case("append", b"append " + SET_TWO, b"STORED\r\n", b"NOT_STORED\r\n", then=Session(b"v:onetwo")),
    Case("append_noreply", b"append %(k)s 1 1000 3 noreply\r\ntwo\r\n", b"", b"", b"", then=Session(b"v:onetwo")),
    Case("append_of_nothing", b"append %(k)s 0 0 0\r\n\r\n", b"STORED\r\n", b"NOT_STORED\r\n", then=ONE),
    Case("prepend", b"prepend " + SET_TWO, b"STORED\r\n", b"NOT_STORED\r\n", then=Session(b"twov:one")),
    Case("prepend_noreply", b"prepend %(k)s 1 1000 3 noreply\r\ntwo\r\n", b"", b"", b"", then=Session(b"twov:one")),
    Case("cas", b"cas %(k)s 1 1000 3 %(c)d\r\ntwo\r\n", b"STORED\r\n", b"NOT_FOUND\r\n", then=TWO),
    Case("cas_that_matches_noreply", b"cas %(k)s 1 1000 3 %(c)d noreply\r\ntwo\r\n", b"", b"", b"", then=TWO),
    Case("cas_of_something_else", b"cas %(k)s 1 1000 3 5\r\ntwo\r\n", b"EXISTS\r\n", b"NOT_FOUND\r\n"),
    Case("cas_noreply", b"cas %(k)s 1 1000 3 5 noreply\r\ntwo\r\n", b"", b"", b""),
    Case("incr", b"incr %(k)s 5\r\n", b"15\r\n", b"NOT_FOUND\r\n", was=TEN, then=Session(b"15", 0)),
    Case("incr_noreply", b"incr %(k)s 5 noreply\r\n", b"", b"", b"", was=TEN, then=Session(b"15", 0)),
    Case("incr_over_the_top", b"incr %(k)s 18446744073709551615\r\n", b"9\r\n", b"NOT_FOUND\r\n", was=TEN, then=Session(b"9 ", 0)),
    Case("incr_of_words", b"incr %(k)s 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n", b"NOT_FOUND\r\n"),
    Case("decr", b"decr %(k)s 3\r\n", b"7\r\n", b"NOT_FOUND\r\n", was=TEN, then=Session(b"7 ", 0)),
    Case("decr_below_0", b"decr %(k)s 11\r\n", b"0\r\n", b"NOT_FOUND\r\n", was=TEN, then=Session(b"0 ", 0)),
    Case("decr_noreply", b"decr %(k)s 3 noreply\r\n", b"", b"", b"", was=TEN, then=Session(b"7 ", 0)),
    Case("delete", b"delete %(k)s\r\n", b"DELETED\r\n", b"NOT_FOUND\r\n", b"DELETED\r\n", then=NONE, then_unknown=NONE),
    Case("delete_noreply", b"delete %(k)s noreply\r\n", b"", b"", b"", then=NONE, then_unknown=NONE),
)

TEXT_EDGES = (
    Case("flags_up_to_32_bits", b"set %(k)s 4294967295 1000 3\r\ntwo\r\n", b"STORED\r\n", b"STORED\r\n", then=Session(b"two", FLAGS_MAX),
         made=Session(b"two", FLAGS_MAX)),
    Case("flags_of_32_bits_come_back", b"get %(k)s\r\n", b"VALUE %(k)s 4294967295 2\r\nhi\r\nEND\r\n", b"END\r\n", was=Session(b"hi", FLAGS_MAX)),
    Case("flags_of_33_bits", b"set %(k)s 4294967296 0 3\r\n", *[b"CLIENT_ERROR bad command line format\r\n"] * 3),
    Case("set_for_ever", b"set %(k)s 1 0 3\r\ntwo\r\n", b"STORED\r\n", b"STORED\r\n", then=Session(b"two", 1, -1), made=Session(b"two", 1, -1)),
    Case("set_already_past", b"set %(k)s 1 -1 3\r\ntwo\r\n", b"STORED\r\n", b"STORED\r\n", then=NONE),
    Case("set_of_30_days", b"set %(k)s 1 2592000 3\r\ntwo\r\n", b"STORED\r\n", b"STORED\r\n", then=Session(b"two", 1, MONTH_S),
         made=Session(b"two", 1, MONTH_S)),
    Case("set_of_30_days_and_1_is_a_date_in_1970", b"set %(k)s 1 2592001 3\r\ntwo\r\n", b"STORED\r\n", b"STORED\r\n", then=NONE),
    Case("set_with_a_date", lambda key, _: b"set %s 1 %d 3\r\ntwo\r\n" % (key, time.time() + 5000), b"STORED\r\n", b"STORED\r\n",
         then=Session(b"two", 1, 5000), made=Session(b"two", 1, 5000)),
    Case("add_already_past", b"add %(k)s 1 -1 3\r\ntwo\r\n", b"NOT_STORED\r\n", b"STORED\r\n"),
    Case("existence_probe", b"add %(k)s 0 2678400 0\r\n\r\n", b"NOT_STORED\r\n", b"STORED\r\n"),
    Case("empty_value_is_a_write_over_a_session_and_a_reservation_elsewhere", b"set %(k)s 0 1000 0\r\n\r\n", b"STORED\r\n", b"STORED\r\n",
         then=Session(b"", 0), made=Session(b"", 0), made_durable=NONE),
    Case("empty_value_that_nobody_waits_for", b"set %(k)s 0 1000 0 noreply\r\n\r\n", b"", b"", b"", then=Session(b"", 0), made=Session(b"", 0),
         made_durable=NONE),
    Case("empty_session_comes_back", b"get %(k)s\r\n", b"VALUE %(k)s 3 0\r\n\r\nEND\r\n", b"END\r\n", was=Session(b"", 3)),
    Case("value_at_the_limit", largest(SET_LARGEST), b"STORED\r\n", b"STORED\r\n", then=LARGEST, made=LARGEST),
    Case("value_beyond_the_limit_leaves_the_session", largest(SET_LARGEST, 1), *[TOO_LARGE_LINE] * 3),
    Case("append_up_to_the_limit", largest(b"append %(k)s 0 0 %(n)d\r\n%(v)s\r\n", -1), b"STORED\r\n", b"NOT_STORED\r\n",
         was=Session(b"x", 9), then=LARGEST),
    Case("append_beyond_the_limit_leaves_the_session", largest(b"append %(k)s 0 0 %(n)d\r\n%(v)s\r\n"), TOO_LARGE_LINE, b"NOT_STORED\r\n"),
    Case("key_of_bytes_beyond_ascii", b"get %(k)s\r\n", HIT, b"END\r\n", key=b"\x80\xff\xc3\xa9\x7f"[:4]),
    Case("key_of_250_bytes", b"get %(k)s\r\n", HIT, b"END\r\n", key=b"k" * 250),
    Case("key_of_251_bytes", lambda key, _: b"get " + key + b"x\r\n", *[b"CLIENT_ERROR bad command line format\r\n"] * 3, key=b"k" * 250),
)

# -- Meta --------------------------------------------------------------------------------------------------------------

NEW_CAS = b"CLIENT_ERROR a session's cas is its version: E is not allowed\r\n"
ANY_BYTES_KEY = b"\0 \xff\t\x80 \xfe \0  "  # and trailing blanks

META = (
    Case("mg", b"mg %(k)s\r\n", b"HD\r\n", b"EN\r\n"),
    Case("mg_v_f_s", b"mg %(k)s v f s\r\n", b"VA 5 f7 s5\r\nv:one\r\n", b"EN\r\n"),
    Case("mg_k_O_c", b"mg %(k)s k O77 c\r\n", b"HD k%(k)s O77 c<cas>\r\n", b"EN k%(k)s O77\r\n"),
    Case("mg_q", b"mg %(k)s q v k\r\n", b"VA 5 k%(k)s\r\nv:one\r\n", b""),
    Case("mg_b", b"mg %(b)s b k v\r\n", b"VA 5 k%(b)s b\r\nv:one\r\n", b"EN k%(b)s b\r\n", key=ANY_BYTES_KEY),
    Case("mg_T", b"mg %(k)s T100 t v\r\n", b"VA 5 t100\r\nv:one\r\n", b"EN\r\n", then=Session(ttl=100)),
    Case("mg_T_for_ever", b"mg %(k)s T0 t v\r\n", b"VA 5 t-1\r\nv:one\r\n", b"EN\r\n", then=Session(ttl=-1)),
    Case("mg_T_of_30_days", b"mg %(k)s T2592000 v\r\n", b"VA 5\r\nv:one\r\n", b"EN\r\n", then=Session(ttl=MONTH_S)),
    Case("mg_T_to_the_past_deletes", b"mg %(k)s T-1 v\r\n", b"VA 5\r\nv:one\r\n", b"EN\r\n", then=NONE),
    Case("mg_T_of_30_days_and_1_is_a_date_in_1970", b"mg %(k)s T2592001 v\r\n", b"VA 5\r\nv:one\r\n", b"EN\r\n", then=NONE),
    Case("mg_N", b"mg %(k)s N100 v\r\n", b"VA 5\r\nv:one\r\n", b"VA 0 W\r\n\r\n", made=Session(b"", 0), made_durable=NONE,
         after_delete=Session(b"", 0)),
    Case("mg_N_b", b"mg %(b)s b N100 v\r\n", b"VA 5\r\nv:one\r\n", b"VA 0 W\r\n\r\n", made=Session(b"", 0), made_durable=NONE,
         after_delete=Session(b"", 0), key=ANY_BYTES_KEY),
    Case("mg_R_of_less_than_is_left", b"mg %(k)s R30 v\r\n", b"VA 5\r\nv:one\r\n", b"EN\r\n"),
    Case("mg_R_of_more_than_is_left", b"mg %(k)s R100000 v\r\nmg %(k)s R100000 v\r\n", b"VA 5 W\r\nv:one\r\nVA 5 Z\r\nv:one\r\n", b"EN\r\nEN\r\n",
         UNAVAILABLE * 2),
    Case("ms", b"ms %(k)s 3 T1000 F1\r\ntwo\r\n", b"HD\r\n", b"HD\r\n", then=TWO, made=TWO),
    Case("ms_b", b"ms %(b)s 3 b T1000 F1\r\ntwo\r\n", b"HD\r\n", b"HD\r\n", then=TWO, made=TWO, key=ANY_BYTES_KEY),
    Case("ms_q", b"ms %(k)s 3 q T1000 F1\r\ntwo\r\n", b"", b"", then=TWO, made=TWO),
    Case("ms_set", b"ms %(k)s 3 MS F1 k\r\ntwo\r\n", b"HD k%(k)s\r\n", b"HD k%(k)s\r\n", then=Session(b"two", 1, -1), made=Session(b"two", 1, -1)),
    Case("ms_add", b"ms %(k)s 3 ME F1\r\ntwo\r\n", b"NS\r\n", b"HD\r\n", made=TWO, after_delete=TWO),
    Case("ms_replace", b"ms %(k)s 3 MR F1\r\ntwo\r\n", b"HD\r\n", b"NS\r\n", then=TWO),
    Case("ms_append", b"ms %(k)s 3 MA s\r\ntwo\r\n", b"HD s8\r\n", b"NS s3\r\n", then=Session(b"v:onetwo")),
    Case("ms_append_or_create", b"ms %(k)s 3 MA N1000 F1\r\ntwo\r\n", b"HD\r\n", b"HD\r\n", then=Session(b"v:onetwo"), made=TWO,
         after_delete=TWO),
    Case("ms_prepend", b"ms %(k)s 3 MP\r\ntwo\r\n", b"HD\r\n", b"NS\r\n", then=Session(b"twov:one")),
    Case("ms_replace_q", b"ms %(k)s 3 MR F1 q\r\ntwo\r\n", b"", b"NS\r\n", then=TWO),
    Case("ms_mode_in_small", b"ms %(k)s 3 Ma\r\ntwo\r\n", *[b"CLIENT_ERROR invalid mode for ms M token\r\n"] * 3),
    Case("ms_append_b", b"ms %(b)s 3 b MA\r\ntwo\r\n", b"HD\r\n", b"NS\r\n", then=Session(b"v:onetwo"), key=ANY_BYTES_KEY),
    Case("ms_prepend_or_create", b"ms %(k)s 3 MP N1000 F1\r\ntwo\r\n", b"HD\r\n", b"HD\r\n", then=Session(b"twov:one"), made=TWO,
         after_delete=TWO),
    Case("ms_unknown_mode", b"ms %(k)s 3 MX\r\ntwo\r\n", *[b"CLIENT_ERROR invalid mode for ms M token\r\n"] * 3),
    Case("ms_C", b"ms %(k)s 3 C%(c)d F1\r\ntwo\r\n", b"HD\r\n", b"NF\r\n", then=TWO),
    Case("ms_C_replace", b"ms %(k)s 3 C%(c)d MR F1\r\ntwo\r\n", b"HD\r\n", b"NF\r\n", then=TWO),
    Case("ms_I_of_an_older_C_is_stored_as_stale", b"ms %(k)s 3 C5 I F1\r\ntwo\r\nmg %(k)s v\r\n", b"HD\r\nVA 3 X W\r\ntwo\r\n", b"NF\r\nEN\r\n",
         UNAVAILABLE * 2, then=TWO),
    Case("ms_flags_of_32_bits", b"ms %(k)s 3 F4294967295\r\ntwo\r\n", b"HD\r\n", b"HD\r\n", then=Session(b"two", FLAGS_MAX),
         made=Session(b"two", FLAGS_MAX)),
    Case("ms_for_ever", b"ms %(k)s 3 T0 F1\r\ntwo\r\n", b"HD\r\n", b"HD\r\n", then=Session(b"two", 1, -1), made=Session(b"two", 1, -1)),
    Case("ms_already_past", b"ms %(k)s 3 T-1 F1\r\ntwo\r\n", b"HD\r\n", b"HD\r\n", then=NONE),
    Case("ms_of_30_days", b"ms %(k)s 3 T2592000 F1\r\ntwo\r\n", b"HD\r\n", b"HD\r\n", then=Session(b"two", 1, MONTH_S),
         made=Session(b"two", 1, MONTH_S)),
    Case("ms_of_30_days_and_1_is_a_date_in_1970", b"ms %(k)s 3 T2592001 F1\r\ntwo\r\n", b"HD\r\n", b"HD\r\n", then=NONE),
    Case("ms_of_a_value_at_the_limit", largest(b"ms %(k)s %(n)d T1000 F9\r\n%(v)s\r\n"), b"HD\r\n", b"HD\r\n", then=LARGEST, made=LARGEST),
    Case("ms_of_a_value_beyond_the_limit", largest(b"ms %(k)s %(n)d T1000 F9\r\n%(v)s\r\n", 1), *[TOO_LARGE_LINE] * 3),
    Case("ms_C_of_something_else", b"ms %(k)s 3 C5\r\ntwo\r\n", b"EX\r\n", b"NF\r\n"),
    Case("ms_E", b"ms %(k)s 3 E5\r\ntwo\r\n", NEW_CAS, NEW_CAS, NEW_CAS),
    Case("ms_empty", b"ms %(k)s 0 T1000\r\n\r\n", b"HD\r\n", b"HD\r\n", then=Session(b"", 0), made=Session(b"", 0), made_durable=NONE),
    Case("ma", b"ma %(k)s D5 v\r\n", b"VA 2\r\n15\r\n", b"NF\r\n", was=TEN, then=Session(b"15", 0)),
    Case("ma_or_create", b"ma %(k)s N1000 J7 v\r\n", b"VA 2\r\n11\r\n", b"VA 1\r\n7\r\n", was=TEN, then=Session(b"11", 0),
         made=Session(b"7", 0), after_delete=Session(b"7", 0)),
    Case("ma_decrement", b"ma %(k)s MD D3\r\n", b"HD\r\n", b"NF\r\n", was=TEN, then=Session(b"7 ", 0)),
    Case("ma_b", b"ma %(b)s b v\r\n", b"VA 2\r\n11\r\n", b"NF\r\n", was=TEN, then=Session(b"11", 0), key=ANY_BYTES_KEY),
    Case("ma_q_C", b"ma %(k)s q C%(c)d D5\r\n", b"", b"NF\r\n", was=TEN, then=Session(b"15", 0)),
    Case("md", b"md %(k)s k\r\n", b"HD k%(k)s\r\n", b"NF k%(k)s\r\n", b"HD k%(k)s\r\n", then=NONE, then_unknown=NONE),
    Case("md_q", b"md %(k)s q\r\n", b"", b"NF\r\n", b"", then=NONE, then_unknown=NONE),
    Case("md_b", b"md %(b)s b k\r\n", b"HD k%(b)s b\r\n", b"NF k%(b)s b\r\n", b"HD k%(b)s b\r\n", then=NONE, then_unknown=NONE,
         key=ANY_BYTES_KEY),
    Case("md_x_empties", b"md %(k)s x\r\n", b"HD\r\n", b"NF\r\n", then=Session(b"", 0)),
    Case("md_x_with_C", b"md %(k)s x C%(c)d\r\n", b"HD\r\n", b"NF\r\n", then=Session(b"", 0)),
    Case("md_I_with_C", b"md %(k)s I C%(c)d\r\nmg %(k)s v\r\n", b"HD\r\nVA 5 X W\r\nv:one\r\n", b"NF\r\nEN\r\n", UNAVAILABLE * 2),
    Case("md_C", b"md %(k)s C%(c)d\r\n", b"HD\r\n", b"NF\r\n", then=NONE),
    Case("md_I_marks_stale", b"md %(k)s I T50\r\nmg %(k)s v\r\n", b"HD\r\nVA 5 X W\r\nv:one\r\n", b"NF\r\nEN\r\n", UNAVAILABLE * 2,
         then=Session(ttl=50)),
    Case("md_C_of_something_else", b"md %(k)s C5\r\n", b"EX\r\n", b"NF\r\n"),
    Case("mg_q_twice_before_mn", b"mg %(k)s q v\r\nmg nobody q v\r\n", b"VA 5\r\nv:one\r\n", b""),
)

# -- Binary ------------------------------------------------------------------------------------------------------------

(GET, SET, ADD, REPLACE, DELETE, INCREMENT, DECREMENT, GETQ, NOOP, GETK, GETKQ, APPEND, PREPEND, SETQ, ADDQ, REPLACEQ, DELETEQ,
 INCREMENTQ, DECREMENTQ, APPENDQ, PREPENDQ, TOUCH, GAT, GATQ, GATK, GATKQ) = (0, 1, 2, 3, 4, 5, 6, 9, 10, 12, 13, 14, 15, 17, 18, 19, 20,
                                                                            21, 22, 25, 26, 28, 29, 30, 35, 36)
OK, NOT_FOUND, EXISTS, TOO_LARGE, INVALID, NOT_STORED, NON_NUMERIC = 0, 1, 2, 3, 4, 5, 6
UNAVAILABLE_STATUS = 0x84  # internal error
MESSAGES = {NOT_FOUND: b"Not found", EXISTS: b"Data exists for key.", NOT_STORED: b"Not stored.", TOO_LARGE: b"Too large.",
            NON_NUMERIC: b"Non-numeric server-side value for incr or decr", UNAVAILABLE_STATUS: b"the session database cannot be asked"}


def packet(opcode, key=b"", extras=b"", value=b"", opaque=0, cas=0):
    head = struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, len(extras) + len(key) + len(value), opaque, cas)
    return head + extras + key + value


def request(opcode, extras=b"", value=b"", cas=0):
    return lambda key, _: packet(opcode, key, extras, value, 0x01020304, cas)


def compared(opcode, extras=b"", value=b""):
    """With the session's own cas number."""
    return lambda key, cas: packet(opcode, key, extras, value, 0x01020304, cas)


def largest_packet(beyond=0):
    return lambda key, _: packet(SET, key, struct.pack(">II", 9, 1000), b"x" * (limit_for(key, 9) + beyond), 0x01020304)


def reply(opcode, status=OK, extras=b"", value=b"", with_key=False):
    """Any cas number is right, but for errors, which have 0."""
    def expected(key):
        name = key if with_key else b""
        text = MESSAGES.get(status, b"") if status != OK else value
        head = struct.pack(">BBHBBHII", 0x81, opcode, len(name), len(extras), 0, status, len(extras) + len(name) + len(text), 0x01020304)
        cas = b".{8}" if status == OK else re.escape(bytes(8))
        return re.compile(re.escape(head) + cas + re.escape(extras + name + text), re.S)
    return expected


def missing_key(opcode):
    """GETK and GATK show the key of a miss instead of a text."""
    def expected(key):
        head = struct.pack(">BBHBBHII", 0x81, opcode, len(key), 0, 0, NOT_FOUND, len(key), 0x01020304)
        return re.compile(re.escape(head + bytes(8) + key), re.S)
    return expected


def number(delta, initial, expiry):
    return struct.pack(">QQI", delta, initial, expiry)


SILENCE = re.compile(b"")
FLAGS_7 = struct.pack(">I", 7)
SHORT = struct.pack(">I", 100)
STORE = struct.pack(">II", 1, 1000)
PAST = struct.pack(">I", MONTH_S + 1)  # a day in 1970
# Binary expiries have no sign: -1 is a day in 2106.
MINUS_1 = struct.pack(">I", FLAGS_MAX)
UNTIL_2106_S = FLAGS_MAX - int(time.time())
REFUSED_AS_TOO_LARGE = reply(SET, TOO_LARGE)


def store_for(seconds):
    return struct.pack(">II", 1, seconds & FLAGS_MAX)


NO_CREATE = 0xFFFFFFFF


def binary(name, asked, live, missing, opcode, unknown=None, **more):
    return Case("binary_" + name, asked, live, missing, unknown or reply(opcode, UNAVAILABLE_STATUS), is_binary=True, key=ANY_BYTES_KEY, **more)


BINARY = (
    binary("get", request(GET), reply(GET, extras=FLAGS_7, value=b"v:one"), reply(GET, NOT_FOUND), GET),
    binary("getq", request(GETQ), reply(GETQ, extras=FLAGS_7, value=b"v:one"), SILENCE, GETQ),
    binary("getk", request(GETK), reply(GETK, extras=FLAGS_7, value=b"v:one", with_key=True), missing_key(GETK), GETK),
    binary("getkq", request(GETKQ), reply(GETKQ, extras=FLAGS_7, value=b"v:one", with_key=True), SILENCE, GETKQ),
    binary("gat", request(GAT, SHORT), reply(GAT, extras=FLAGS_7, value=b"v:one"), reply(GAT, NOT_FOUND), GAT, then=Session(ttl=100)),
    binary("gatq", request(GATQ, SHORT), reply(GATQ, extras=FLAGS_7, value=b"v:one"), SILENCE, GATQ, then=Session(ttl=100)),
    binary("gatk", request(GATK, SHORT), reply(GATK, extras=FLAGS_7, value=b"v:one", with_key=True), missing_key(GATK), GATK,
           then=Session(ttl=100)),
    binary("gatkq", request(GATKQ, SHORT), reply(GATKQ, extras=FLAGS_7, value=b"v:one", with_key=True), SILENCE, GATKQ, then=Session(ttl=100)),
    binary("touch", request(TOUCH, SHORT), reply(TOUCH, extras=FLAGS_7), reply(TOUCH, NOT_FOUND), TOUCH, then=Session(ttl=100)),
    binary("gat_of_30_days_and_1_deletes", request(GAT, PAST), reply(GAT, extras=FLAGS_7, value=b"v:one"), reply(GAT, NOT_FOUND), GAT, then=NONE),
    binary("touch_for_ever", request(TOUCH, struct.pack(">I", 0)), reply(TOUCH, extras=FLAGS_7), reply(TOUCH, NOT_FOUND), TOUCH,
           then=Session(ttl=-1)),
    binary("touch_of_minus_1", request(TOUCH, MINUS_1), reply(TOUCH, extras=FLAGS_7), reply(TOUCH, NOT_FOUND), TOUCH,
           then=Session(ttl=UNTIL_2106_S)),
    binary("touch_of_30_days", request(TOUCH, struct.pack(">I", MONTH_S)), reply(TOUCH, extras=FLAGS_7), reply(TOUCH, NOT_FOUND), TOUCH,
           then=Session(ttl=MONTH_S)),
    binary("touch_of_30_days_and_1_deletes", request(TOUCH, PAST), reply(TOUCH, extras=FLAGS_7), reply(TOUCH, NOT_FOUND), TOUCH, then=NONE),
    binary("set", request(SET, STORE, b"two"), reply(SET), reply(SET), SET, then=TWO, made=TWO),
    binary("setq", request(SETQ, STORE, b"two"), SILENCE, SILENCE, SETQ, then=TWO, made=TWO),
    binary("set_cas", compared(SET, STORE, b"two"), reply(SET), reply(SET, NOT_FOUND), SET, then=TWO),
    binary("setq_cas", compared(SETQ, STORE, b"two"), SILENCE, reply(SETQ, NOT_FOUND), SETQ, then=TWO),
    binary("set_for_ever", request(SET, store_for(0), b"two"), reply(SET), reply(SET), SET, then=Session(b"two", 1, -1),
           made=Session(b"two", 1, -1)),
    binary("set_for_minus_1_s", request(SET, store_for(-1), b"two"), reply(SET), reply(SET), SET, then=Session(b"two", 1, UNTIL_2106_S),
           made=Session(b"two", 1, UNTIL_2106_S)),
    binary("set_of_30_days", request(SET, store_for(MONTH_S), b"two"), reply(SET), reply(SET), SET, then=Session(b"two", 1, MONTH_S),
           made=Session(b"two", 1, MONTH_S)),
    binary("set_of_30_days_and_1", request(SET, store_for(MONTH_S + 1), b"two"), reply(SET), reply(SET), SET, then=NONE),
    binary("value_at_the_limit", largest_packet(), reply(SET), reply(SET), SET, then=LARGEST, made=LARGEST),
    binary("value_beyond_the_limit", largest_packet(1), *[REFUSED_AS_TOO_LARGE] * 2, SET, unknown=REFUSED_AS_TOO_LARGE),
    binary("set_cas_of_something_else", request(SET, STORE, b"two", cas=5), reply(SET, EXISTS), reply(SET, NOT_FOUND), SET),
    binary("add", request(ADD, STORE, b"two"), reply(ADD, EXISTS), reply(ADD), ADD, made=TWO, after_delete=TWO),
    binary("addq", request(ADDQ, STORE, b"two"), reply(ADDQ, EXISTS), SILENCE, ADDQ, made=TWO, after_delete=TWO),
    binary("existence_probe", request(ADD, struct.pack(">II", 0, 2678400)), reply(ADD, EXISTS), reply(ADD), ADD),
    binary("replace", request(REPLACE, STORE, b"two"), reply(REPLACE), reply(REPLACE, NOT_FOUND), REPLACE, then=TWO),
    binary("replaceq", request(REPLACEQ, STORE, b"two"), SILENCE, reply(REPLACEQ, NOT_FOUND), REPLACEQ, then=TWO),
    binary("appendq", request(APPENDQ, value=b"two"), SILENCE, reply(APPENDQ, NOT_STORED), APPENDQ, then=Session(b"v:onetwo")),
    binary("prependq", request(PREPENDQ, value=b"two"), SILENCE, reply(PREPENDQ, NOT_STORED), PREPENDQ, then=Session(b"twov:one")),
    binary("append_cas", compared(APPEND, value=b"two"), reply(APPEND), reply(APPEND, NOT_STORED), APPEND, then=Session(b"v:onetwo")),
    binary("append", request(APPEND, value=b"two"), reply(APPEND), reply(APPEND, NOT_STORED), APPEND, then=Session(b"v:onetwo")),
    binary("prepend", request(PREPEND, value=b"two"), reply(PREPEND), reply(PREPEND, NOT_STORED), PREPEND, then=Session(b"twov:one")),
    binary("increment", request(INCREMENT, number(5, 0, NO_CREATE)), reply(INCREMENT, value=struct.pack(">Q", 15)),
           reply(INCREMENT, NOT_FOUND), INCREMENT, was=TEN, then=Session(b"15", 0)),
    binary("increment_or_create", request(INCREMENT, number(5, 3, 1000)), reply(INCREMENT, value=struct.pack(">Q", 15)),
           reply(INCREMENT, value=struct.pack(">Q", 3)), INCREMENT, was=TEN, then=Session(b"15", 0), made=Session(b"3", 0),
           after_delete=Session(b"3", 0)),
    binary("increment_of_words", request(INCREMENT, number(5, 0, NO_CREATE)), reply(INCREMENT, NON_NUMERIC), reply(INCREMENT, NOT_FOUND),
           INCREMENT),
    binary("decrement", request(DECREMENT, number(3, 0, NO_CREATE)), reply(DECREMENT, value=struct.pack(">Q", 7)),
           reply(DECREMENT, NOT_FOUND), DECREMENT, was=TEN, then=Session(b"7 ", 0)),
    binary("incrementq", request(INCREMENTQ, number(5, 0, NO_CREATE)), SILENCE, reply(INCREMENTQ, NOT_FOUND), INCREMENTQ, was=TEN,
           then=Session(b"15", 0)),
    binary("decrementq", request(DECREMENTQ, number(3, 0, NO_CREATE)), SILENCE, reply(DECREMENTQ, NOT_FOUND), DECREMENTQ, was=TEN,
           then=Session(b"7 ", 0)),
    binary("delete_cas", compared(DELETE), reply(DELETE), reply(DELETE, NOT_FOUND), DELETE, then=NONE),
    binary("delete", request(DELETE), reply(DELETE), reply(DELETE, NOT_FOUND), DELETE, unknown=reply(DELETE), then=NONE, then_unknown=NONE),
    binary("deleteq", request(DELETEQ), SILENCE, reply(DELETEQ, NOT_FOUND), DELETEQ, unknown=SILENCE, then=NONE, then_unknown=NONE),
    binary("delete_cas_of_something_else", request(DELETE, cas=5), reply(DELETE, EXISTS), reply(DELETE, NOT_FOUND), DELETE),
    binary("flags_of_32_bits", request(SET, struct.pack(">II", FLAGS_MAX, 1000), b"two"), reply(SET), reply(SET), SET,
           then=Session(b"two", FLAGS_MAX), made=Session(b"two", FLAGS_MAX)),
    binary("empty_value", request(SET, STORE), reply(SET), reply(SET), SET, then=Session(b"", 1), made=Session(b"", 1), made_durable=NONE),
)

CASES = {case.name: case for case in TEXT_READS + TEXT_WRITES + TEXT_EDGES + META + BINARY}
