"""A machine without the optional speech packages says what to install instead of failing obscurely."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from media.providers.errors import ProviderError
from media.providers.registry import ProviderRegistry
from media.providers.settings import ProviderSettings

BROKEN = {
    "espeakng_loader.py": 'get_library_path = lambda: "/nowhere/libespeak-ng.so"\nget_data_path = lambda: "/nowhere"\n',
    "pocketsphinx.py": 'raise ImportError("No module named pocketsphinx")\n',
}


async def test_missing_packages_are_named_with_how_to_install_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in BROKEN.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # what the workers import first
    async with httpx2.AsyncClient() as client:
        registry = ProviderRegistry(ProviderSettings(), client)
        await registry.start()
        for make, extra in ((registry.voice, "callfold[espeak]"), (registry.transcriber, "callfold[embedded]")):
            with pytest.raises(ProviderError) as caught:
                make({})
            assert caught.value.category == "not-configured"
            assert f"pip install '{extra}'" in caught.value.detail
        assert len(registry.unavailable) == 2
        assert registry.model({}).provider == "vapi"
        await registry.close()
    assert registry.worker_pids == ()
