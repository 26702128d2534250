"""The synthetic caller against a scripted assistant on a real WebSocket."""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from websockets.asyncio.server import ServerConnection, serve

from infra.demo import caller as caller_module
from infra.demo.caller import FRAME_BYTES, Caller, ConversationFailed, Line, Message
from tests.patience import PATIENCE_S

WORDS = b"\x10\x20" * (FRAME_BYTES // 2)
SPEECH = {"hello": WORDS * 3, "wait": WORDS * 2, "goodbye": WORDS * 2}


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller_module, "_QUIET_SECONDS", 0.05)
    monkeypatch.setattr(caller_module, "_PUZZLED_SECONDS", 0.3)
    monkeypatch.setattr(caller_module, "_PATIENCE_SECONDS", PATIENCE_S)


class Assistant:
    """The server's side of one call: speaks by messages and hears frames."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self.heard: list[str] = []

    async def starts(self) -> None:
        await self._send({"type": "speech-update", "role": "assistant", "status": "started"})

    async def stops(self, words: str = "") -> None:
        if words:
            final = {"type": "transcript", "role": "assistant", "transcriptType": "final", "transcript": words}
            await self._send(final)
        await self._send({"type": "speech-update", "role": "assistant", "status": "stopped"})

    async def sounds(self, *, frames: int) -> None:
        for _ in range(frames):
            await self._socket.send(WORDS)

    async def hears(self) -> int:
        """Frames of the caller's next words, once they are over."""
        frames = 0
        async for data in self._socket:
            assert isinstance(data, bytes)
            assert len(data) == FRAME_BYTES
            if any(data):
                frames += 1
            elif frames:
                return frames
        raise AssertionError("the caller left without a word")

    async def silences(self, *, frames: int) -> bool:
        """Whether that many frames come without a word in them."""
        for _ in range(frames):
            if any(await self._socket.recv(decode=False)):
                return False
        return True

    async def waits(self) -> None:
        """Until the caller has gone."""
        async for _ in self._socket:
            pass

    async def _send(self, message: Message) -> None:
        await self._socket.send(json.dumps(message))


@contextlib.asynccontextmanager
async def assistant(behaviour: Callable[[Assistant], Awaitable[None]]) -> AsyncIterator[str]:
    async def handle(socket: ServerConnection) -> None:
        await behaviour(Assistant(socket))
        await socket.close(1000, "call ended")

    async with serve(handle, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def hold(behaviour: Callable[[Assistant], Awaitable[None]], lines: Sequence[Line]) -> Caller:
    caller = Caller(SPEECH, lambda message: None)
    async with assistant(behaviour) as url:
        await caller.hold(url, lines)
    return caller


async def test_it_speaks_when_the_assistant_has_finished_and_stays_until_it_hangs_up() -> None:
    heard: list[int] = []

    async def answers_twice(them: Assistant) -> None:
        for _ in range(2):
            await them.starts()
            await them.stops("Good morning.")
            heard.append(await them.hears())

    caller = await hold(answers_twice, [Line("hello"), Line("goodbye")])

    assert heard == [3, 2]
    assert caller.close_reason == "close code 1000 call ended"


async def test_an_answer_in_two_parts_is_heard_to_its_end() -> None:
    order: list[str] = []

    async def answers_in_parts(them: Assistant) -> None:
        for part in ("One moment.", "It is booked."):
            await them.starts()
            await them.stops(part)
            order.append(part)
        await them.hears()
        order.append("caller")

    await hold(answers_in_parts, [Line("goodbye")])

    assert order == ["One moment.", "It is booked.", "caller"]


async def test_it_interrupts_while_the_assistant_speaks() -> None:
    async def is_interrupted(them: Assistant) -> None:
        await them.starts()
        assert await them.silences(frames=10)
        await them.sounds(frames=5)
        assert await them.hears() == 2
        await them.stops("We are open from")

    await hold(is_interrupted, [Line("wait", after_hearing_s=0.1)])


async def test_it_says_so_when_there_was_nothing_left_to_interrupt() -> None:
    async def answers_shortly(them: Assistant) -> None:
        await them.starts()
        await them.stops("Yes.")
        await them.waits()

    with pytest.raises(ConversationFailed, match="over before it could be interrupted with 'wait'"):
        await hold(answers_shortly, [Line("wait", after_hearing_s=0.5)])


async def test_it_repeats_what_was_not_understood() -> None:
    heard: list[int] = []

    async def understands_the_second_time(them: Assistant) -> None:
        for words in ("Hello.", "Sorry, I did not understand.", "Certainly."):
            await them.starts()
            await them.stops(words)
            heard.append(await them.hears())

    caller = await hold(understands_the_second_time, [Line("hello"), Line("goodbye")])

    assert heard == [3, 3, 2]
    assert caller.said == ["hello", "hello", "goodbye"]


async def test_it_puts_in_other_words_what_was_answered_beside_the_point() -> None:
    heard: list[int] = []

    async def answers_beside_the_point(them: Assistant) -> None:
        for words in ("Hello.", "There is free parking.", "There is free parking.", "Hello to you."):
            await them.starts()
            await them.stops(words)
            heard.append(await them.hears())

    line = Line("hello", answer="hello to you", rephrased="wait")
    caller = await hold(answers_beside_the_point, [line, Line("goodbye")])

    assert heard == [3, 2, 3, 2]
    assert caller.said == ["hello", "wait", "hello", "goodbye"]


async def test_it_gives_up_on_an_assistant_that_never_understands() -> None:
    async def understands_nothing(them: Assistant) -> None:
        while True:
            await them.starts()
            await them.stops("Pardon?")
            await them.hears()

    with pytest.raises(ConversationFailed, match=r"said 'hello' 3 times and was answered 'Pardon\?'"):
        await hold(understands_nothing, [Line("hello", answer="certainly"), Line("goodbye")])


async def test_an_answer_that_is_long_in_coming_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than after the answer, since what was said first may only be a word about looking for it."""
    monkeypatch.setattr(caller_module, "_PUZZLED_SECONDS", PATIENCE_S)

    async def looks_first(them: Assistant) -> None:
        await them.starts()
        await them.stops("Hello.")
        await them.hears()
        await them.starts()
        await them.stops("One moment.")
        assert await them.silences(frames=10)
        await them.starts()
        await them.stops("It is booked.")
        await them.hears()

    caller = await hold(looks_first, [Line("hello", answer="booked"), Line("goodbye")])

    assert caller.said == ["hello", "goodbye"]


async def test_it_says_goodbye_until_the_assistant_hangs_up() -> None:
    heard: list[int] = []

    async def understands_goodbye_the_third_time(them: Assistant) -> None:
        for words in ("Hello.", "You are welcome. What else can I do for you?", "Sorry, I did not understand."):
            await them.starts()
            await them.stops(words)
            heard.append(await them.hears())
        await them.starts()
        await them.stops("Goodbye!")

    caller = await hold(understands_goodbye_the_third_time, [Line("goodbye", answer="goodbye", rephrased="hello")])

    assert heard == [2, 3, 2]
    assert not caller.hung_up
    assert caller.close_reason == "close code 1000 call ended"


async def test_whoever_is_not_let_go_hangs_up() -> None:
    async def goes_on(them: Assistant) -> None:
        with contextlib.suppress(AssertionError):
            while True:
                await them.starts()
                await them.stops("What else can I do for you?")
                await them.hears()

    caller = await hold(goes_on, [Line("goodbye", answer="goodbye")])

    assert caller.hung_up
    assert caller.said == ["goodbye"] * 3


@pytest.mark.parametrize(
    ("hangs_up", "says"),
    [(True, r"the call was over while .* to finish \(close code 1000 call ended\)"), (False, "in vain for .* finish")],
)
async def test_a_call_that_goes_nowhere_fails_with_where_it_stopped(
    hangs_up: bool, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hangs_up:
        monkeypatch.setattr(caller_module, "_PATIENCE_SECONDS", 0.5)

    async def says_nothing(them: Assistant) -> None:
        if not hangs_up:
            await them.waits()

    with pytest.raises(ConversationFailed, match=says):
        await hold(says_nothing, [Line("hello")])
