import multiprocessing
import stat
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

import infra.data_folder
from infra.data_folder import DataFolder, FolderInUse, FolderUnusable, RunningSystem
from tests.patience import PATIENCE_S

RUNNING = RunningSystem(pid=4711, url="http://127.0.0.1:9000", operator_token="token")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_owner_can_read_the_folder_and_its_secrets(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")

    with folder.own():
        folder.announce(RUNNING)
        folder.secret()
        files = {path.name: _mode(path) for path in folder.root.iterdir() if path.is_file()}
        folders = [_mode(path) for path in (folder.root, folder.clickhouse, folder.artifacts, folder.live)]

    assert files == {"lock": 0o600, "run.json": 0o600, "secret": 0o600}
    assert folders == [0o700] * 4


def test_the_secret_is_made_once(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)

    first = folder.secret()

    assert len(first) >= 32
    assert DataFolder(tmp_path).secret() == first


def test_the_secret_has_its_name_for_good_before_anything_is_signed_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[Path, list[str]]] = []
    monkeypatch.setattr(
        infra.data_folder, "flush", lambda path: flushed.append((path, [file.name for file in path.iterdir()]))
    )
    DataFolder(tmp_path).secret()
    assert flushed == [(tmp_path, ["secret"])]


def test_a_second_owner_is_refused_and_told_where_the_first_one_answers(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)

    with folder.own():
        folder.announce(RUNNING)
        with pytest.raises(FolderInUse, match=r"http://127\.0\.0\.1:9000 \(process 4711\)") as refused, folder.own():
            pytest.fail("two processes own one folder")

    assert refused.value.running == RUNNING


def test_a_second_owner_is_refused_while_the_first_one_starts(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)

    with folder.own(), pytest.raises(FolderInUse) as refused, folder.own():
        pytest.fail("two processes own one folder")

    assert refused.value.running is None


def test_the_folder_is_free_again_and_nothing_is_announced_when_the_owner_is_done(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder.own():
        folder.announce(RUNNING)

    assert folder.announced() is None
    with folder.own():
        assert folder.announced() is None


def _own_until_killed(root: Path, owned: Connection) -> None:
    folder = DataFolder(root)
    with folder.own():
        folder.announce(RUNNING)
        owned.send(True)
        owned.recv()


def test_a_killed_owner_leaves_the_folder_free_and_its_announcement_is_not_believed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    owner = context.Process(target=_own_until_killed, args=(tmp_path, there))
    owner.start()
    assert here.recv()
    folder = DataFolder(tmp_path)
    assert folder.announced() == RUNNING

    owner.kill()
    owner.join()

    with folder.own(wait_seconds=PATIENCE_S):
        assert folder.announced() is None


def test_a_folder_that_cannot_be_made_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(FolderUnusable, match="cannot be made: Not a directory"), DataFolder(tmp_path / "file/x").own():
        pytest.fail("a file is no folder")


def test_processes_beside_the_main_one_have_seats_and_replicas_of_their_own(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    media = RunningSystem(pid=4712, url="http://127.0.0.1:9001", operator_token="", role="media")

    with folder.own() as main, folder.join("media") as first, folder.join("media") as second:
        first.announce(media)
        assert [seat.name for seat in (main, first, second)] == ["main", "media-1", "media-2"]
        assert len({seat.replica for seat in (main, first, second)}) == 3
        assert folder.announced() is None
        assert folder.beside() == [media]

    assert folder.beside() == []


def test_a_seat_that_was_left_is_taken_again(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)

    with folder.join("media") as first, folder.join("media"):
        pass
    with folder.join("media") as again:
        assert again.name == first.name


def test_a_role_of_which_there_may_be_one_is_refused_a_second_time(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)

    with folder.join("project", most=1) as seat:
        seat.announce(RUNNING)
        with pytest.raises(FolderInUse, match="process 4711"), folder.join("project", most=1):
            pytest.fail("two processes fill the same tables")


def test_processes_that_start_together_agree_on_the_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        secrets = set(threads.map(lambda _: DataFolder(tmp_path).secret(), range(32)))

    assert len(secrets) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
