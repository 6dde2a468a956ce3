"""Runs that several tests start from."""

from __future__ import annotations

import pytest

from campaign import Campaign, films, slow_films, whole_campaign


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A whole campaign, from films to report, run once. Copy it before changing anything: see `Campaign.copy`."""
    campaign = Campaign(tmp_path_factory.mktemp("finished") / "run", whole_campaign())
    campaign.run()
    campaign.assert_complete()
    return campaign


@pytest.fixture(scope="session")
def finished_films(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """The films and the dataset of the study `films()`, undisturbed."""
    campaign = Campaign(tmp_path_factory.mktemp("finished-films") / "run", films())
    campaign.run()
    campaign.assert_complete()
    return campaign


@pytest.fixture(scope="session")
def undisturbed_slow_films(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The dataset of the study `slow_films()`, undisturbed."""
    campaign = Campaign(tmp_path_factory.mktemp("slow-films") / "run", slow_films())
    campaign.run()
    campaign.assert_complete()
    return campaign.dataset()
