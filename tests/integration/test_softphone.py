"""Two scripted softphones call each other directly over loopback: real SIP, real RTP, no Asterisk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import pytest

from pbx112.host.softphone_client import CallOver, RegistrationFailed, Softphone, SoftphoneError, SoftphoneTimeout
from pbx112.host.tones import read_wav, tones_heard

A_IP, B_IP = "127.0.8.1", "127.0.8.2"
A_TONE, B_TONE = 600, 950
SOURCE = Path(__file__).resolve().parents[2] / "src"
Pair = tuple[Softphone, Softphone]


@pytest.fixture
async def phones() -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(Softphone.start(A_IP)),
            await stack.enter_async_context(Softphone.start(B_IP)),
        )


async def talking(a: Softphone, b: Softphone) -> None:
    await asyncio.gather(a.tone(A_TONE), b.tone(B_TONE))
    await a.call(b.uri)
    await b.wait_incoming(3)
    await b.answer()
    await asyncio.gather(a.wait_for("confirmed", 3), b.wait_for("confirmed", 3))


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_given_two_phones_when_they_talk_then_each_hears_the_others_tone_only(phones: Pair) -> None:
    a, b = phones
    await talking(a, b)
    heard_by_a, heard_by_b = await asyncio.gather(a.hear(0.8, [A_TONE, B_TONE]), b.hear(0.8, [A_TONE, B_TONE]))
    assert heard_by_a[B_TONE].present
    assert not heard_by_a[A_TONE].present
    assert heard_by_b[A_TONE].present
    assert not heard_by_b[B_TONE].present


async def test_given_a_call_with_headers_when_it_rings_then_the_callee_sees_them(phones: Pair) -> None:
    a, b = phones
    identity = f"<sip:+628111234567@{A_IP}>"
    placed = await a.call(b.uri, {"P-Asserted-Identity": identity}, '"Anonymous" <sip:anonymous@anonymous.invalid>')
    incoming = await b.wait_incoming(3)
    assert incoming.sip_call_id == placed.sip_call_id
    assert incoming.facts["source"] == f"{A_IP}:{a.port}"
    assert f"P-Asserted-Identity: {identity}\r\n" in incoming.facts["message"]
    assert 'From: "Anonymous" <sip:anonymous@anonymous.invalid>' in incoming.facts["message"]
    ringing = await a.wait_for("early", 3)
    assert ringing.code == 180


async def test_given_a_talk_when_the_caller_hangs_up_then_both_see_who_ended_it_and_the_cause(phones: Pair) -> None:
    a, b = phones
    await talking(a, b)
    await a.hangup(reason='Q.850;cause=16;text="Normal Clearing"')
    near, far = await asyncio.gather(a.wait_for("disconnected", 3), b.wait_for("disconnected", 3))
    assert near.facts["by"] == "near"
    assert far.facts["by"] == "far"
    assert far.facts["cause"] == 'Q.850;cause=16;text="Normal Clearing"'
    assert (await a.wait_for("calling", 1)).at < (await a.wait_for("confirmed", 1)).at < near.at


async def test_given_automatic_answer_when_called_then_it_rings_first_and_answers_after_the_delay(
    phones: Pair,
) -> None:
    a, b = phones
    await b.on_incoming(answer_after_s=0.3)
    await a.call(b.uri)
    confirmed = await a.wait_for("confirmed", 3)
    ringing = await a.wait_for("early", 1)
    assert 290_000 <= confirmed.mono_us - ringing.mono_us <= 900_000


async def test_given_a_busy_phone_when_called_then_waiting_for_the_answer_ends_with_its_code(phones: Pair) -> None:
    a, b = phones
    await b.on_incoming(reject_code=486)
    await a.call(b.uri)
    with pytest.raises(CallOver, match="486") as over:
        await a.wait_for("confirmed", 3)
    assert over.value.event.facts["by"] == "far"


async def test_given_a_ringing_call_when_the_caller_gives_up_then_487(phones: Pair) -> None:
    a, b = phones
    await a.call(b.uri)
    await b.wait_incoming(3)
    await a.wait_for("early", 3)
    await a.hangup()
    assert (await a.wait_for("disconnected", 3)).code == 487
    assert (await b.wait_for("disconnected", 3)).facts["by"] == "far"


async def test_given_a_talk_when_digits_are_sent_then_the_far_end_gets_them(phones: Pair) -> None:
    a, b = phones
    await talking(a, b)
    await a.dtmf("*1")
    first = await b.wait_event("dtmf", 3)
    second = await b.wait_event("dtmf", 3, since=first.seq)
    assert (first.facts["digit"], second.facts["digit"]) == ("*", "1")


async def test_given_a_recording_when_stopped_then_the_file_holds_the_far_end(phones: Pair, tmp_path: Path) -> None:
    a, b = phones
    await talking(a, b)
    path = tmp_path / "far.wav"
    await a.record(path)
    await asyncio.sleep(0.6)
    await a.stop_recording()
    await asyncio.sleep(0.1)
    samples, rate = read_wav(path)
    assert len(samples) > 0.4 * rate
    assert [tone.present for tone in tones_heard(samples, rate, [A_TONE, B_TONE])] == [False, True]


async def test_given_tcp_when_calling_then_the_invite_comes_over_it() -> None:
    async with Softphone.start(A_IP, transport="tcp") as a, Softphone.start(B_IP, transport="tcp") as b:
        await talking(a, b)
        (incoming,) = (event for event in b.events if event.name == "incoming")
        assert "SIP/2.0/TCP" in incoming.facts["message"]
        assert incoming.facts["source"].startswith(f"{A_IP}:")


async def test_given_srtp_when_they_talk_then_it_is_negotiated_and_the_tone_is_heard() -> None:
    async with Softphone.start(A_IP, srtp=True) as a, Softphone.start(B_IP, srtp=True) as b:
        await talking(a, b)
        (incoming,) = (event for event in b.events if event.name == "incoming")
        assert "a=crypto:" in incoming.facts["message"]
        assert all([(await phone.wait_event("media_active", 1)).facts["srtp"] for phone in (a, b)])
        assert (await b.hear(0.6, [A_TONE]))[A_TONE].present


async def test_given_nothing_there_when_waited_for_then_each_wait_ends_at_its_deadline(phones: Pair) -> None:
    a, _ = phones
    with pytest.raises(SoftphoneTimeout, match="incoming"):
        await a.wait_incoming(0.05)
    with pytest.raises(SoftphoneError, match="no call"):
        await a.hangup()
    with pytest.raises(SoftphoneError, match="could not call"):
        await a.call("this is no address")
    with pytest.raises(SoftphoneError, match="no call"):
        await a.answer()


class RefusingRegistrar(asyncio.DatagramProtocol):
    """Answers each request with 403."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)  # by its class it is none in Python 3.11

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        kept = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")
        lines = [line for line in data.split(b"\r\n") if line.lower().startswith(kept)]
        answer = [b"SIP/2.0 403 Forbidden", *lines, b"Content-Length: 0", b"", b""]
        self.transport.sendto(b"\r\n".join(answer), addr)


async def test_given_a_registrar_that_refuses_when_registering_then_it_fails_with_the_code(phones: Pair) -> None:
    registrar, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        RefusingRegistrar, local_addr=("127.0.8.4", 0)
    )
    with contextlib.closing(registrar), pytest.raises(RegistrationFailed) as failed:
        await phones[0].register("op1", "secret", f"127.0.8.4:{registrar.get_extra_info('sockname')[1]}")
    assert failed.value.code == 403


async def test_given_a_phone_that_dies_when_told_something_then_the_error_says_so(phones: Pair) -> None:
    a, _ = phones
    os.kill(a.pid, signal.SIGKILL)
    with pytest.raises(SoftphoneError, match="process ended"):
        await a.tone(600)


async def test_given_a_talk_when_the_block_is_left_then_the_call_is_hung_up_and_no_process_is_left() -> None:
    async with Softphone.start(B_IP) as b:
        async with Softphone.start(A_IP) as a:
            await talking(a, b)
        assert (await b.wait_for("disconnected", 2)).facts["by"] == "far"
    assert not is_running(a.pid)
    assert not is_running(b.pid)


def test_given_sigterm_or_the_end_of_input_when_running_then_the_phone_ends_at_once() -> None:
    command = [sys.executable, "-m", "pbx112.host.softphone"]
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    for by_signal in (False, True):
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        ) as phone:
            assert phone.stdin is not None
            assert phone.stdout is not None
            phone.stdin.write(b'{"id": 1, "do": "start", "ip": "127.0.8.3"}\n')
            phone.stdin.flush()
            assert b'"done"' in phone.stdout.readline()
            if by_signal:
                phone.terminate()
            else:
                phone.stdin.close()
            assert phone.wait(timeout=2) == 0
