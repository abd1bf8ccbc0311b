import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.engine.errors import UsageError
from limner.streams.icelinks import MAX_SERVERS, URL, IceServer, link, parse, read

STUN = IceServer("stun:stun.example.net")
TURN = IceServer("turn:turn.example.net?transport=udp", "user", "myPassword")
SECRETS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=80)
HOSTS = st.from_regex(r"[0-9A-Za-z._-]{1,40}(:[1-9][0-9]{0,3})?", fullmatch=True)
SERVERS = st.one_of(
    st.builds(lambda host: IceServer("stun:" + host), HOSTS),
    st.builds(lambda kind, host, how, *secret: IceServer(f"{kind}:{host}{how}", *secret), st.sampled_from(["turn", "turns"]), HOSTS,
              st.sampled_from(["", "?transport=udp", "?transport=tcp"]), SECRETS, SECRETS),
)


def test_the_example_of_the_standard():
    assert parse(['<stun:stun.example.net>; rel="ice-server"',
                  '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="myPassword"; '
                  'credential-type="password"']) == [STUN, TURN]
    assert link(STUN) == '<stun:stun.example.net>; rel="ice-server"'


@given(st.lists(SERVERS, max_size=MAX_SERVERS, unique=True), st.booleans())
def test_what_is_written_is_read_again(servers, in_one_line):
    values = [link(server) for server in servers]
    assert parse([", ".join(values)] if in_one_line else values) == servers
    assert all(value.isascii() and value.isprintable() for value in values)


@given(st.lists(st.one_of(st.text(max_size=200), st.text('<>;,="\\ stunr:ice-vlpadm.?0', max_size=200))))
def test_whatever_comes_only_usable_servers_are_found(values):
    found = parse(values)
    assert len(found) <= MAX_SERVERS
    assert all(URL.fullmatch(s.url) and (s.url.startswith("stun:") or (s.username and s.credential)) for s in found)
    assert parse([link(server) for server in found]) == found


@pytest.mark.parametrize("value", [
    "<stun:a>;REL=ICE-Server", "<stun:a> ; rel = \"other ice-server\"", "</x.css>; rel=preload; as=style, <stun:a>; rel=ice-server",
    ", ,<stun:a>; rel=ice-server; rel=next", "<stun:a>; x; y=\"a, b; c\\\"<\"; rel=ice-server, junk", '<stun:a>; rel=ice-server; username="u"; credential="c"',
])
def test_it_is_found_however_it_is_written(value):
    assert parse([value]) == [IceServer("stun:a")]


@pytest.mark.parametrize("value", [
    "", "stun:a; rel=ice-server", "<stun:a>", "<stun:a>; rel=next", "<stun:a>; rel=next; rel=ice-server", "<stun:>; rel=ice-server",
    "<http://a/>; rel=ice-server", "<stuns:a>; rel=ice-server", "<stun:a:0>; rel=ice-server", "<stun:a:65536>; rel=ice-server",
    "<stun:a?transport=udp>; rel=ice-server", "<stun:u@a>; rel=ice-server", "<stun:a/b>; rel=ice-server", "<stun:[::1]>; rel=ice-server",
    "<turn:a>; rel=ice-server", "<turn:a>; rel=ice-server; username=u", "<turn:a?transport=sctp>; rel=ice-server; username=u; credential=c",
    "<turn:a>; rel=ice-server; username=u; credential=c; credential-type=oauth", '<turn:a>; rel=ice-server; username="é"; credential="c"',
    '<turn:a>; rel=ice-server; username="u"; credential="a\r\nX: y"', "<stun:" + "a" * 300 + ">; rel=ice-server",
    "<turn:a>; rel=ice-server; username=u; credential=" + "c" * 5000, '<stun:a>; rel="ice-server',
])
def test_what_is_no_usable_server_is_passed_over(value):
    assert parse([value]) == []


def test_only_so_many_and_each_once():
    assert len(parse([f"<stun:a{n // 2}>; rel=ice-server" for n in range(100)])) == MAX_SERVERS
    assert len(parse(["<stun:a>; rel=ice-server"] * 2)) == 1


def test_on_the_command_line():
    assert read("stun:stun.example.net") == STUN
    assert read("turn:turn.example.net?transport=udp,user,myPassword") == TURN
    assert read("turns:t:443,1700000000:me,a,b=").credential == "a,b="


@pytest.mark.parametrize("text", ["", "a", "stun:", "http://a", "turn:a", "turn:a,user", "turn:a,,secret", "stun:a,user", "stun:a,user,secret",
                                  "turn:a,user,sécret", "turn:a b,user,secret", "stun:a\r\nX: y"])
def test_wrong_servers_on_the_command_line(text):
    with pytest.raises(UsageError, match="--ice-server") as caught:
        read(text)
    assert "\n" not in str(caught.value) and "cret" not in str(caught.value)


def test_a_credential_is_not_shown():
    assert "myPassword" not in repr(TURN) and "user" in repr(TURN)
