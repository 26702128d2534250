"""Accounts as the engine enforces them where it is a library: a configuration made of the very statements for a server.

The engine as a library keeps no users that ``CREATE USER`` could make, but it reads the users of a configuration, and
whoever opens a folder is the one called ``default``. So each statement of ``projections.analyst_accounts`` is turned
into what the configuration says in its place, and one user into ``default``. A statement that is not known here fails.

https://clickhouse.com/docs/operations/settings/settings-users
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement

import clickhouse_connect

from projections.store import AnalyticsStore

ME = "default"
"""Whom the engine takes the process for."""

_NAME = r"`([^`\\]+)`"
_PLACE = rf"{_NAME}\.{_NAME}"
_PROFILE = re.compile(r"CREATE SETTINGS PROFILE OR REPLACE '(\w+)' SETTINGS (.+)")
_SETTING = re.compile(r"(\w+) = (\d+)(?: MIN (\d+))?(?: MAX (\d+))?( CONST)?")
_USER = re.compile(rf"ALTER USER {_NAME} DEFAULT ROLE NONE SETTINGS PROFILE '(\w+)'")
_REVOKED = re.compile(rf"REVOKE ALL ON \*\.\* FROM {_NAME}")
_EVERYTHING = re.compile(rf"CREATE ROW POLICY OR REPLACE {_NAME} ON {_PLACE} USING (.+) TO CURRENT_USER")
_POLICY = re.compile(
    rf"CREATE ROW POLICY OR REPLACE {_NAME} ON {_PLACE} FOR SELECT USING (.+) AS PERMISSIVE TO {_NAME}"
)
_GRANT = re.compile(rf"GRANT SELECT ON {_PLACE} TO {_NAME}")


@dataclass
class Account:
    """What a user may do: statements of rights, and by table the condition on its rows."""

    profile: str = ME
    grants: list[str] = field(default_factory=list)
    filters: dict[tuple[str, str], str] = field(default_factory=dict)


class Accounts:
    """The users of a server after some statements; ``administrator`` is who ran them, and may do everything."""

    def __init__(self, statements: Iterable[str], *, administrator: str) -> None:
        self._users: dict[str, Account] = defaultdict(Account)
        self._users[administrator].grants.append("GRANT ALL ON *.*")
        self._profiles: dict[str, Element] = {ME: Element(ME)}
        for statement in statements:
            self._run(statement, administrator)

    def opened_as(self, user: str, database: Path, configuration: Path) -> AnalyticsStore:
        """A store over the folder ``database``, opened as ``user``; its files of settings go to ``configuration``."""
        users, main = configuration / f"users-{user}.xml", configuration / f"main-{user}.xml"
        ElementTree(self._document(user)).write(users)
        whole = Element("clickhouse")
        SubElement(whole, "users_config").text = str(users)
        _log_statements(whole)
        ElementTree(whole).write(main)
        arguments = {"interface": "chdb", "path": f"{database}?config-file={main}"}
        return AnalyticsStore(
            lambda: clickhouse_connect.get_client(tz_mode="aware", **arguments), engine_arguments=arguments, owner=None
        )

    def _run(self, statement: str, administrator: str) -> None:
        if made := _PROFILE.fullmatch(statement):
            self._profiles[made[1]] = _profile(made[1], made[2])
        elif of := _USER.fullmatch(statement):
            self._users[of[1]].profile = of[2]
        elif revoked := _REVOKED.fullmatch(statement):
            self._users[revoked[1]].grants.clear()
        elif shown := _EVERYTHING.fullmatch(statement):
            self._users[administrator].filters[shown[2], shown[3]] = shown[4]
        elif policy := _POLICY.fullmatch(statement):
            self._users[policy[5]].filters[policy[2], policy[3]] = policy[4]
        elif granted := _GRANT.fullmatch(statement):
            right = statement.removesuffix(f" TO `{granted[3]}`")
            self._users[granted[3]].grants.append(right)
        else:
            raise ValueError(f"the configuration has nothing that stands for: {statement}")

    def _document(self, opening: str) -> Element:
        whole = Element("clickhouse")
        SubElement(whole, "profiles").extend(self._profiles.values())
        SubElement(SubElement(whole, "quotas"), ME)
        users = SubElement(whole, "users")
        for name, account in self._users.items():
            user = SubElement(users, ME if name == opening else name)
            SubElement(user, "password")
            SubElement(user, "profile").text = account.profile
            SubElement(user, "quota").text = ME
            SubElement(SubElement(user, "networks"), "ip").text = "::/0"
            grants = SubElement(user, "grants")
            for grant in account.grants:
                SubElement(grants, "query").text = grant
            databases = SubElement(user, "databases")
            for (database, table), condition in account.filters.items():
                place = databases.find(database)
                place = SubElement(databases, database) if place is None else place
                SubElement(SubElement(place, table), "filter").text = condition
        return whole


def _profile(name: str, settings: str) -> Element:
    profile = Element(name)
    constraints = Element("constraints")
    for text in settings.split(", "):
        setting = _SETTING.fullmatch(text)
        if setting is None:
            raise ValueError(f"the configuration has nothing that stands for the setting: {text}")
        SubElement(profile, setting[1]).text = setting[2]
        bounds = SubElement(constraints, setting[1])
        for bound, value in (("min", setting[3]), ("max", setting[4])):
            if value is not None:
                SubElement(bounds, bound).text = value
        if setting[5]:
            SubElement(bounds, "const")
    profile.append(constraints)
    return profile


def _log_statements(whole: Element) -> None:
    """Into ``system.query_log``, as a server does."""
    log = SubElement(whole, "query_log")
    for name, value in (("database", "system"), ("table", "query_log"), ("flush_interval_milliseconds", "50")):
        SubElement(log, name).text = value
