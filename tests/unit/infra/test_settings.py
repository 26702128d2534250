from pathlib import Path

import pytest

from infra.provider_access import provider_settings
from infra.settings import LOOPBACK, Settings, SettingsInvalid, load, variable
from infra.settings_table import markdown_table

README = Path(__file__).parents[3] / "README.md"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)
    monkeypatch.delenv("CALLFOLD_ENV_FILE", raising=False)


def test_a_bare_environment_gives_the_embedded_system_on_loopback() -> None:
    found = load()

    assert (found.log, found.clickhouse, found.host) == ("sqlite", "embedded", "127.0.0.1")
    assert found.egress_allow == ()


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLFOLD_PORT", "9001")
    monkeypatch.setenv("CALLFOLD_HOST", "10.1.2.3")

    found = load(port=9002, host=None)

    assert (found.port, found.host) == (9002, "10.1.2.3")


def test_networks_are_read_as_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLFOLD_EGRESS_ALLOW", ", ".join(LOOPBACK))

    assert load().egress_allow == LOOPBACK


def test_vendors_can_be_reached_at_other_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLFOLD_PROVIDER_URLS", "groq=https://gateway.example/v1/, openai=http://10.0.0.5:8000/v1")
    monkeypatch.setenv("GROQ_API_KEY", "gsk-1")

    vendors = provider_settings(load(), speech=False).vendors

    assert (vendors["groq"].base_url, vendors["groq"].api_key) == ("https://gateway.example/v1", "gsk-1")
    assert vendors["openai"].base_url == "http://10.0.0.5:8000/v1"
    assert vendors["deepgram"].base_url == "https://api.deepgram.com"
    assert vendors["xai"].api_key is None


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("CALLFOLD_PROVIDER_URLS", "gateway.example", "give provider=URL pairs"),
        ("CALLFOLD_PROVIDER_URLS", "groq=gateway.example", "http:// or https://"),
        ("CALLFOLD_LOG", "kafka://", "an address is empty"),
        ("CALLFOLD_LOG", "kafka://user:secret@broker:9092", "kafka://***@broker:9092"),
        ("CALLFOLD_KAFKA_REPLICATION", "0", "greater than or equal to 1"),
        ("CALLFOLD_LOG", "postgres", "use sqlite"),
        ("CALLFOLD_CLICKHOUSE", "tcp://host", "embedded"),
        ("CALLFOLD_EGRESS_ALLOW", "10.0.0.1/8", "host bits set"),
        ("CALLFOLD_EGRESS_ALLOW", "example.com", "10.0.0.0/8"),
        ("CALLFOLD_PORT", "70000", "65535"),
        ("CALLFOLD_PUBLIC_URL", "calls.example.com", "http:// or https://"),
        ("CALLFOLD_MEDIA_URL", "calls.example.com", "http:// or https://"),
        ("CALLFOLD_NODE_HOST", "node-1:8080", "without scheme and port"),
        ("CALLFOLD_SECRET", "short", "32 characters"),
        ("CALLFOLD_PRICE_TABLE", "1999-01-01", "choose one of"),
        ("CALLFOLD_LOG_LEVEL", "loud", "warning"),
        ("OPENAI_BASE_URL", "ftp://models", "http:// or https://"),
        ("CALLFOLD_ENV_FILE", "/nowhere/callfold.env", "not a file"),
    ],
)
def test_a_wrong_value_is_refused_by_variable_and_reason(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsInvalid) as refused:
        load()

    assert variable in str(refused.value)
    assert says in str(refused.value)


def test_every_wrong_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLFOLD_PORT", "x")
    monkeypatch.setenv("CALLFOLD_MAX_CALLS", "0")

    with pytest.raises(SettingsInvalid, match=r"CALLFOLD_PORT: .*valid integer") as refused:
        load()
    assert "CALLFOLD_MAX_CALLS: " in str(refused.value)


def test_a_file_gives_settings_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "callfold.env"
    file.write_text("CALLFOLD_PORT=9100\nCALLFOLD_MAX_CALLS=7\nOPENAI_API_KEY=from-file\n")
    monkeypatch.setenv("CALLFOLD_ENV_FILE", str(file))
    monkeypatch.setenv("CALLFOLD_PORT", "9101")

    found = load()

    assert (found.port, found.max_calls) == (9101, 7)
    assert found.openai_api_key is not None
    assert found.openai_api_key.get_secret_value() == "from-file"


def test_secrets_never_show_in_a_printed_settings_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("CALLFOLD_SECRET", "s" * 40)

    shown = repr(load())

    assert "very-secret" not in shown
    assert "ssss" not in shown


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"port": 9000}, "http://127.0.0.1:9000"),
        ({"host": "0.0.0.0", "port": 9000}, "http://127.0.0.1:9000"),
        ({"host": "::", "port": 9000}, "http://[::1]:9000"),
        ({"public_url": "https://calls.example.com/"}, "https://calls.example.com"),
    ],
)
def test_the_base_url_is_one_that_a_client_can_use(given: dict[str, object], url: str) -> None:
    assert load(**given).base_url() == url


def test_a_port_picked_by_the_system_is_in_the_base_url() -> None:
    assert load(port=0).base_url(40123) == "http://127.0.0.1:40123"


def test_the_readme_documents_every_setting_as_the_code_has_it() -> None:
    assert markdown_table() in README.read_text()
