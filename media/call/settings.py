"""What an operator may tune in the media tier. Every field names its unit; the bounds are checked at construction."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSettings:
    """Limits and waits of the media tier. The defaults suit one process on one core."""

    max_calls: int = 100
    """Calls this process serves at once; one more is refused with close code 1013 (try again later)."""
    max_lag_ms: float = 50.0
    """No new call is taken (close code 1013) while the 20 ms clock has been later than this, at the 99th percentile of
    each of the last seconds: calls that run come first."""
    max_busy: float = 0.85
    """No new call is taken while the thread that serves all calls worked for more than this part of the last second, or
    would with the calls that were just let in; 1 switches that off."""
    call_share: float = 0.005
    """Which part of that thread a running call is taken to need, before it has been seen what calls need here."""
    max_start_wait_ms: float = 500.0
    """No new call is taken while it would wait for longer than this until it is put together."""
    max_log_wait_ms: float = 1_000.0
    """No new call is taken while events wait for longer than this until the log has them."""
    live_dir: Path = field(default_factory=lambda: Path(gettempdir()) / "callfold-live")
    """Where recordings grow while their calls run, and where owners keep their lease files."""

    playout_lead_ms: int = 80
    """How far ahead of real time audio is sent: hides jitter of the loop, costs as much deafness to a clear."""
    input_lead_ms: int = 120
    """How far ahead of real time a caller's audio is taken (clients send up to 100 ms in one message)."""
    input_cap_ms: int = 60_000
    """Audio a client may send ahead of real time before the connection is closed with code 1008."""
    max_message_bytes: int = 1 << 20
    """Largest WebSocket message taken; a longer one closes the connection with code 1009."""
    send_cap_ms: int = 5_000
    """Audio that may wait for a client that does not read before the client counts as gone."""

    voice_gate_peak: int = 400
    """Frames whose loudest sample is below this (of 32767) are silence whatever the detector says."""
    voice_start_frames: int = 4
    """Voiced 20 ms frames in a row that make a start of speech."""
    silence_hangover_ms: int = 240
    """Silence after the last voiced frame that makes a stop of speech."""

    model_first_token_s: float = 10.0
    """Wait for the first token before the next model is tried."""
    model_idle_s: float = 15.0
    """Longest pause between two tokens of one answer."""
    voice_first_audio_s: float = 10.0
    """Wait for the first audio of a chunk, and between its pieces, before the next voice is tried."""
    synthesis_ahead_ms: int = 20_000
    """Audio of one utterance that may wait for playout before its synthesis pauses."""
    voice_cache_bytes: int = 32 << 20
    """Size of the process-wide cache of spoken first messages and fillers."""
    sound_shelf_bytes: int = 64 << 20
    """Size of the process-wide shelf of sounds that assistants name by URL, decoded."""

    journal_cap: int = 5_000
    """Events of one call that may wait for the log; beyond it the call is ended, and still everything is kept."""
    fragment_flush_ms: int = 150
    fragment_cap: int = 50_000
    """Fragments of all calls that may wait for the fragment log before partials are shed."""
    log_retry_s: float = 0.25
    """First pause before a refused append is sent again; doubles up to 5 s."""

    log_patience_s: float = 0.5
    """How long a log may take to answer before what waits for it is kept on disk as well."""
    event_spool_bytes: int = 64 << 20
    """Events that may wait on disk for the log; beyond it no call is taken and running ones are ended."""
    event_spool_reserve_bytes: int = 4 << 20
    """Disk space that is taken at the start, so that events of running calls can be kept when the disk is full."""
    fragment_spool_bytes: int = 128 << 20
    """Fragments that may wait on disk for the fragment log before partials are shed."""

    connect_within_s: float = 60.0
    """A call to which nobody has connected this long after it was created is ended."""
    lease_s: float = 5.0
    """An owner whose heartbeat is older than this is dead and its calls are ended."""
    reap_every_s: float = 2.0
    zero_data_retention: bool = False
    """Keep neither recordings, words nor logs of any call."""
    listener_cap_ms: int = 1_000
    """Audio one listener may lag behind before its oldest is dropped."""
    tool_timeout_s: float = 20.0
    tool_result_cap: int = 8_192
    """Characters of a tool's result that reach the model; the rest is cut with a warning."""
    tool_budget: int = 200
    """Tool calls that one conversation may have; more are refused to its model."""
    thinks_ahead: bool = True
    """Ask the model while the pause still runs that decides whether a turn is over; what was asked in vain is paid."""
    interruption_words: int = 0
    """Words that interrupt an assistant whose configuration does not say how many do; 0: voice alone does."""
    code_at_once: int = 4
    """Code tools that run at the same time in this process; more wait."""
    closing_grace_s: float = 2.0
    """How long a hang-up waits for the caller's side to take what is still to be sent."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_calls", 1, 10_000),
            ("max_lag_ms", 1, 10_000),
            ("max_busy", 0.05, 1),
            ("call_share", 0.0001, 1),
            ("max_start_wait_ms", 10, 60_000),
            ("max_log_wait_ms", 10, 600_000),
            ("playout_lead_ms", 40, 1_000),
            ("input_lead_ms", 20, 2_000),
            ("voice_start_frames", 1, 50),
            ("silence_hangover_ms", 20, 5_000),
            ("fragment_flush_ms", 10, 1_000),
            ("tool_budget", 1, 10_000),
            ("interruption_words", 0, 10),
            ("code_at_once", 1, 64),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"MediaSettings.{name} is {value}; it must be between {low} and {high}")
