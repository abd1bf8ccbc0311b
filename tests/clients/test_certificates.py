import datetime
import ssl
import stat

import pytest
from aiohttp import ClientSession, web
from cryptography import x509

from limner.clients.certificates import RENEW, fingerprint, names_of, self_signed
from limner.clients.cli import build_parser
from limner.clients.present import certificate
from limner.engine.errors import UsageError

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


def names(cert):
    return {str(n.value) for n in x509.load_pem_x509_certificate(cert.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value}


def test_it_names_the_machine_and_only_its_owner_reads_the_key(tmp_path):
    cert, key = self_signed("192.0.2.7", tmp_path / "tls", NOW)
    assert names(cert) == {"localhost", "127.0.0.1", "::1", "192.0.2.7"}
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    held = x509.load_pem_x509_certificate(cert.read_bytes())
    assert held.not_valid_after_utc - held.not_valid_before_utc <= datetime.timedelta(days=398)
    assert not held.extensions.get_extension_for_class(x509.BasicConstraints).value.ca     # it can sign nobody else's
    assert len(fingerprint(cert)) == 95


def test_it_is_kept_until_it_no_longer_fits(tmp_path):
    first = fingerprint(self_signed("localhost", tmp_path, NOW)[0])
    assert fingerprint(self_signed("127.0.0.1", tmp_path, NOW)[0]) == first               # visitors need not agree again
    other = fingerprint(self_signed("192.0.2.7", tmp_path, NOW)[0])
    assert other != first
    late = NOW + datetime.timedelta(days=365) - RENEW
    assert fingerprint(self_signed("192.0.2.7", tmp_path, late)[0]) != other


@pytest.mark.parametrize("damage", [
    lambda cert, key: cert.write_text("junk"), lambda cert, key: key.write_text("junk"), lambda cert, key: key.unlink(),
    lambda cert, key: key.chmod(0o644),
])
def test_what_is_damaged_or_readable_by_others_is_made_anew(tmp_path, damage):
    cert, key = self_signed("localhost", tmp_path, NOW)
    before = fingerprint(cert)
    damage(cert, key)
    self_signed("localhost", tmp_path, NOW)
    assert fingerprint(cert) != before and stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_server_for_everybody_is_called_by_the_machines_name(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "studio")
    assert "studio" in names_of("0.0.0.0") and "studio" in names_of("::") and "studio" not in names_of("127.0.0.1")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="--cert and --key"):
        self_signed("localhost", tmp_path / "file" / "tls", NOW)


async def test_a_client_that_trusts_it_is_served(tmp_path):
    """A real handshake, the name checked."""
    cert, key = self_signed("127.0.0.1", tmp_path)
    server, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context(cafile=str(cert))
    server.load_cert_chain(cert, key)

    async def hello(request):
        return web.Response(text="hello")

    app = web.Application()
    app.add_routes([web.get("/", hello)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server).start()
        url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
        async with ClientSession() as client, client.get(url, ssl=trusting) as answer:
            assert await answer.text() == "hello"
    finally:
        await runner.cleanup()


def test_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    parse = build_parser().parse_args
    assert certificate(parse(["serve"])) == (None, None)
    cert, _ = certificate(parse(["serve", "--self-signed"]))
    assert cert.is_relative_to(tmp_path / "limner") and fingerprint(cert) in capsys.readouterr().err
    with pytest.raises(UsageError, match="leave out"):
        certificate(parse(["serve", "--self-signed", "--cert", "x.pem"]))
    with pytest.raises(UsageError, match="token"):
        certificate(parse(["serve", "--self-signed", "--host", "0.0.0.0"]))          # https alone lets nobody in
