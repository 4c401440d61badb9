"""Who gets in where gRPC is mutual TLS and the trajectories are CURVE, and what is said to who does not."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import zmq
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from pydantic import ValidationError

from spiral.services.actor.options import ActorOptions
from spiral.services.learner.options import LearnerOptions
from spiral.services.renderer.options import RendererOptions
from spiral.wire import rpc, sockets
from spiral.wire.certificates import issue, make_authority, write_set
from spiral.wire.curve import Keys, gatekeeper
from spiral.wire.error_reasons import reason
from spiral.wire.server import Server
from spiral.wire.tls import Identity
from tests.support.processes import PATIENCE_S

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
HERE = ("localhost", "127.0.0.1")
AUTHORITY, OTHER = make_authority(DAY, NOW), make_authority(DAY, NOW)


def identity(hosts: tuple[str, ...] = HERE, valid: datetime.timedelta = DAY) -> Identity:
    return Identity(AUTHORITY.pem, *issue(AUTHORITY, "someone", hosts, valid, NOW))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set as ``spiral certs`` writes it."""
    folder = tmp_path_factory.mktemp("certificates") / "set"
    write_set(folder, ["spiral"], DAY, NOW)
    return folder


@contextmanager
def serving(own: Identity | None, address: str = "127.0.0.1:0") -> Iterator[str]:
    server = Server(address, 2, identity=own)
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.start()
    try:
        yield server.address
    finally:
        server.close()


def ask(address: str, own: Identity | None) -> None:
    with rpc.connect(address, own) as channel:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_one_authority_is_enough_to_talk(kind: str, tmp_path: Path) -> None:
    with serving(identity(), f"unix:{tmp_path}/s" if kind == "unix" else "127.0.0.1:0") as address:
        ask(address, identity())


class Anonymous(Identity):
    """Believes the server and shows nothing."""

    def channel(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self.ca)


FOREIGN = Identity(AUTHORITY.pem, *issue(OTHER, "stranger", HERE, DAY, NOW))
EXPIRED = datetime.timedelta(seconds=-1)
OWN = identity()
HUNG_UP = "requires TLS and a certificate that it trusts"
REFUSED = {
    "a client in plaintext": (OWN, None, HUNG_UP),
    "a client without a certificate": (OWN, Anonymous(OWN.ca, OWN.cert, OWN.key), HUNG_UP),
    "a client of another authority": (OWN, FOREIGN, HUNG_UP),
    "a client whose certificate has expired": (OWN, identity(valid=EXPIRED), HUNG_UP),
    "a server of another authority": (FOREIGN, OWN, "its certificate does not verify"),
    "a server whose certificate has expired": (identity(valid=EXPIRED), OWN, "certificate has expired"),
    "a server of another name": (identity(("elsewhere",)), OWN, "its certificate is for another host"),
    "a server in plaintext": (None, OWN, "it speaks plaintext and this side TLS"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_others_are_refused_with_a_sentence(case: str) -> None:
    server, client, sentence = REFUSED[case]
    with serving(server) as address, pytest.raises(grpc.RpcError) as refused:
        ask(address, client)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert sentence in reason(refused.value)


def files(folder: Path, service: str) -> dict[str, Path]:
    return {
        name: folder / service / f"{file}"
        for name, file in (("tls_ca", "ca.crt"), ("tls_cert", "tls.crt"), ("tls_key", "tls.key"))
    }


def test_a_set_is_what_the_options_take(folder: Path) -> None:
    own = files(folder, "renderer")
    options = RendererOptions(**own)
    assert options.identity == Identity(*(path.read_bytes() for path in own.values()))
    assert RendererOptions().identity is None
    for path in folder.glob("*/*key*"):
        if path.suffix != ".key" or path.name == "tls.key":
            assert path.stat().st_mode & 0o077 == 0, f"{path} is a secret"


def test_a_set_overwrites_nothing(folder: Path) -> None:
    with pytest.raises(ValueError, match="already exists"):
        write_set(folder, [], DAY, NOW)


def test_files_that_do_not_fit_are_refused_with_a_sentence(folder: Path, tmp_path: Path) -> None:
    own, foreign = files(folder, "renderer"), tmp_path / "foreign"
    foreign.mkdir()
    for name, content in zip(("ca", "crt", "key"), (OTHER.pem, *issue(OTHER, "x", HERE, EXPIRED, NOW)), strict=True):
        (foreign / name).write_bytes(content)
    wrong = {
        "tls_key: not given; expected all of tls_ca, tls_cert, tls_key or none": {**own, "tls_key": None},
        "can't be read (No such file or directory)": {**own, "tls_ca": tmp_path / "absent"},
        "can't be read (Is a directory)": {**own, "tls_cert": tmp_path},
        "is not the key of the certificate": {**own, "tls_key": folder / "actor" / "tls.key"},
        "holds no certificate in PEM": {**own, "tls_ca": own["tls_key"]},
        "unable to get local issuer certificate": {**own, "tls_ca": foreign / "ca"},
        "certificate has expired": {
            f"tls_{k}": foreign / f for k, f in (("ca", "ca"), ("cert", "crt"), ("key", "key"))
        },
    }
    for sentence, options in wrong.items():
        with pytest.raises(ValidationError) as refused:
            RendererOptions(**options)
        assert sentence in str(refused.value)


def keys(folder: Path, service: str, peer: str) -> Keys:
    return Keys.load(folder / service / "curve.key_secret", folder / service / f"{peer}.key")


def test_trajectories_pass_between_those_who_know_each_other(folder: Path) -> None:
    learner, actor = keys(folder, "learner", "actor"), keys(folder, "actor", "learner")
    assert (
        ActorOptions(curve_key=folder / "actor/curve.key_secret", curve_peers=folder / "actor/learner.key").curve
        == actor
    )
    with (
        zmq.Context() as context,
        gatekeeper(context, learner),
        sockets.router(context, "127.0.0.1:0", learner) as router,
        sockets.dealer(context, router.address, actor) as dealer,
    ):
        dealer.send(b"hello")
        assert router.socket.poll(int(PATIENCE_S * 1000))
        assert router.socket.recv_multipart()[1:] == [b"hello"]


def test_who_is_unknown_gets_in_neither_with_a_key_nor_without(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    learner = keys(folder, "learner", "actor")
    write_set(tmp_path / "other", [], DAY, NOW)
    stranger = Keys.load(tmp_path / "other/actor/curve.key_secret", folder / "actor/learner.key")
    for own, event in ((stranger, zmq.EVENT_HANDSHAKE_FAILED_AUTH), (None, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)):
        with (
            zmq.Context() as context,
            gatekeeper(context, learner),
            sockets.router(context, "127.0.0.1:0", learner) as router,
            sockets.dealer(context, router.address, own, event) as dealer,
            dealer.get_monitor_socket() as monitor,
        ):
            dealer.send(b"hello")
            assert monitor.poll(int(PATIENCE_S * 1000))
            assert not router.socket.poll(0)
            dealer.disable_monitor()
    assert "is not among the 1 in curve_peers" in caplog.text


def test_keys_that_do_not_fit_are_refused_with_a_sentence(folder: Path, tmp_path: Path) -> None:
    secret, public = folder / "learner/curve.key_secret", folder / "learner/actor.key"
    (tmp_path / "short.key").write_text('curve\n    public-key = "too short"\n')
    (tmp_path / "empty").mkdir()
    wrong = {
        "curve_peers: not given": (secret, None),
        "has no secret key": (public, public),
        "is not a CURVE key file": (secret, tmp_path / "short.key"),
        "has no file *.key": (secret, tmp_path / "empty"),
        "absent is not a CURVE key file": (tmp_path / "absent", public),
    }
    for sentence, (key, peers) in wrong.items():
        with pytest.raises(ValidationError) as refused:
            LearnerOptions(curve_key=key, curve_peers=peers)
        assert sentence in str(refused.value)
