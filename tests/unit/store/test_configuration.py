from pathlib import Path

import pytest

from jobworker.store.configuration import Loaded, environment, load, value_of
from jobworker.store.errors import BadSetting
from jobworker.store.setting import SETTINGS, Setting, masked_url
from jobworker.store.settings import Settings


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def from_environment(**environ: str) -> Loaded:
    return load({}, environ, None)


def from_file(text: str) -> Loaded:
    path = Path("settings.toml")
    path.write_text(text, encoding="utf-8")
    return load({}, {}, path)


def test_without_any_source_every_setting_has_its_default() -> None:
    loaded = load({}, {}, None)
    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {"default"}
    assert loaded.warnings == []


def test_the_sources_cover_every_setting() -> None:
    assert list(load({}, {}, None).sources) == list(SETTINGS)


def test_the_command_line_wins_over_the_environment_over_the_file_over_the_default() -> None:
    path = Path("settings.toml")
    path.write_text("[supervisor]\nworkers = 2\nspares = 2\ngrace = 2\n")
    environ = {"JOBWORKER_SUPERVISOR_WORKERS": "3", "JOBWORKER_SUPERVISOR_SPARES": "3"}
    loaded = load({"supervisor": {"workers": 4}}, environ, path)
    supervisor = loaded.settings.supervisor
    assert (supervisor.workers, supervisor.spares, supervisor.grace, supervisor.poll) == (4, 3, 2.0, 2.0)
    assert [loaded.sources[f"supervisor.{key}"] for key in ("workers", "spares", "grace", "poll")] == [
        "command line",
        "environment JOBWORKER_SUPERVISOR_SPARES",
        "file settings.toml",
        "default",
    ]


def test_the_file_is_the_given_one_else_the_variable_s_else_the_one_of_the_directory() -> None:
    for name, spares in (("given.toml", 1), ("variable.toml", 2), ("jobworker.toml", 3)):
        Path(name).write_text(f"[supervisor]\nspares = {spares}\n")
    environ = {"JOBWORKER_CONFIG": "variable.toml"}
    assert load({}, environ, Path("given.toml")).settings.supervisor.spares == 1
    assert load({}, environ, None).settings.supervisor.spares == 2
    assert load({}, {}, None).settings.supervisor.spares == 3


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("JOBWORKER_SUPERVISOR_WORKERS", "auto", "auto"),
        ("JOBWORKER_SUPERVISOR_WORKERS", "7", 7),
        ("JOBWORKER_SUPERVISOR_GRACE", "0.5", 0.5),
        ("JOBWORKER_SUPERVISOR_QUEUES", "images=3, mail", ("images=3", "mail")),
        ("JOBWORKER_SUPERVISOR_HANDLERS", "", ()),
        ("JOBWORKER_SUPERVISOR_HANDLERS", '"a,b.py",c', ("a,b.py", "c")),
        ("JOBWORKER_API_NO_AUTH", "true", True),
        ("JOBWORKER_API_NO_AUTH", "Yes", True),
        ("JOBWORKER_API_NO_AUTH", "1", True),
        ("JOBWORKER_JOBS_BACKOFF_JITTER", "no", False),
        ("JOBWORKER_JOBS_BACKOFF_JITTER", "0", False),
        ("JOBWORKER_LOG_LEVEL", "debug", "debug"),
    ],
)
def test_a_value_of_the_environment_is_read_as_its_type(variable: str, text: str, value: object) -> None:
    loaded = load({}, {variable: text}, None)
    setting = next(setting for setting in SETTINGS.values() if setting.variable == variable)
    assert value_of(loaded.settings, setting) == value


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("JOBWORKER_SUPERVISOR_WORKERS", "0", "a whole number from 1 to 1000 or auto"),
        ("JOBWORKER_SUPERVISOR_WORKERS", "many", "a whole number from 1 to 1000 or auto"),
        ("JOBWORKER_SUPERVISOR_SPARES", "1.5", "a whole number from 0 to 100"),
        ("JOBWORKER_REDIS_TIMEOUT", "nan", "a number from 0.1 to 60"),
        ("JOBWORKER_JOBS_PRIORITY", "11", "a whole number from 1 to 10"),
        ("JOBWORKER_JOBS_PRIORITY", "", "a whole number from 1 to 10"),
        ("JOBWORKER_API_NO_AUTH", "maybe", "true or false"),
        ("JOBWORKER_API_LISTEN", "localhost", "HOST:PORT, the port from 0 to 65535"),
        ("JOBWORKER_API_LISTEN", "localhost:65536", "HOST:PORT, the port from 0 to 65535"),
        ("JOBWORKER_SUPERVISOR_QUEUES", "a,b=0", "a list; each item: NAME or NAME=WEIGHT, the weight from 1 to 9999"),
        ("JOBWORKER_SUPERVISOR_NAME", "a/b", "a letter or digit, then up to 127 letters, digits, '.', '_' or '-'"),
        ("JOBWORKER_LOG_LEVEL", "loud", "debug or error or info or warning"),
        ("JOBWORKER_STATE_DIR", "", "a text that is not empty"),
    ],
)
def test_a_bad_value_of_the_environment_is_refused_with_its_name_and_what_it_allows(
    variable: str, text: str, allowed: str
) -> None:
    with pytest.raises(BadSetting) as refused:
        load({}, {variable: text}, None)
    assert refused.value.name == variable
    assert str(refused.value).startswith(f"{variable}: ")
    assert str(refused.value).endswith(f"is not allowed; allowed: {allowed}")


def test_every_setting_says_what_it_does_and_what_it_allows() -> None:
    assert [setting.name for setting in SETTINGS.values() if not setting.description or not setting.allowed] == []


def test_a_bad_value_of_the_file_is_refused_with_section_key_and_file() -> None:
    with pytest.raises(
        BadSetting, match=r"^\[supervisor\] workers in settings.toml: '5' is not allowed; allowed: a whole"
    ):
        from_file('[supervisor]\nworkers = "5"\n')


def test_a_bad_value_of_the_command_line_is_refused_with_the_option() -> None:
    with pytest.raises(BadSetting, match=r"^--api-threads: 0 is not allowed; allowed: a whole number from 1 to 256"):
        load({"api": {"threads": 0}}, {}, None)


def test_a_refused_secret_is_not_shown() -> None:
    with pytest.raises(BadSetting) as refused:
        from_environment(JOBWORKER_REDIS_URL="hunter2@host")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[supervisor]\nworker = 3\n",
            r"\[supervisor\] worker in settings.toml: .* \(did you mean supervisor.workers\?\)",
        ),
        ("[superviser]\n", r"\[superviser\] in settings.toml: there is no such setting \(did you mean supervisor\?\)"),
        ('[exce."a"]\ncommand = ["a"]\n', r"\[exce\] in .*: there is no such setting \(did you mean exec\?\)"),
        ("redis = 1\n", r"redis in settings.toml: it is a section; write \[redis\] and its keys below"),
        ("[redis\n", r"settings.toml: is not TOML: .*line 1"),
    ],
)
def test_a_file_that_says_what_nobody_asked_for_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadSetting, match=f"^{sentence}"):
        from_file(text)


def test_a_file_that_cannot_be_read_is_refused_in_one_sentence() -> None:
    with pytest.raises(BadSetting, match=r"^away.toml: cannot be read: No such file or directory$"):
        load({}, {"JOBWORKER_CONFIG": "away.toml"}, None)
    Path("latin.toml").write_bytes(b"# \xe9\n")
    with pytest.raises(BadSetting, match=r"^latin.toml: cannot be read: "):
        load({}, {}, Path("latin.toml"))


def test_a_secret_is_read_from_the_file_that_its_variable_names() -> None:
    Path("secret").write_text("redis://:pw@host/1\n")
    loaded = from_environment(JOBWORKER_REDIS_URL_FILE="secret")
    assert loaded.settings.redis.url == "redis://:pw@host/1"
    assert loaded.sources["redis.url"] == "environment JOBWORKER_REDIS_URL_FILE"


def test_a_secret_given_twice_is_refused() -> None:
    Path("secret").write_text("redis://a/1")
    with pytest.raises(
        BadSetting, match=r"^JOBWORKER_REDIS_URL_FILE: JOBWORKER_REDIS_URL is given too; give one of them$"
    ):
        from_environment(JOBWORKER_REDIS_URL_FILE="secret", JOBWORKER_REDIS_URL="redis://b/1")


def test_a_secret_s_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadSetting, match=r"^JOBWORKER_REDIS_URL_FILE: away cannot be read: No such file"):
        from_environment(JOBWORKER_REDIS_URL_FILE="away")


def test_unknown_variables_get_one_warning_which_names_them_all() -> None:
    loaded = from_environment(JOBWORKER_SUPERVISOR_WORKER="3", JOBWORKER_COLOUR="red", HOME="/")
    (warning,) = loaded.warnings
    assert warning == (
        "ignored in the environment, for there is no such setting: JOBWORKER_COLOUR, "
        "JOBWORKER_SUPERVISOR_WORKER (did you mean JOBWORKER_SUPERVISOR_WORKERS?)"
    )


def test_what_is_ours_and_what_kubernetes_injects_gets_no_warning() -> None:
    loaded = from_environment(
        JOBWORKER_TREE="vm:1",
        JOBWORKER_TEST_REDIS="1",
        JOBWORKER_PORT="tcp://10.0.0.1:80",
        JOBWORKER_API_SERVICE_HOST="10.0.0.1",
        JOBWORKER_API_SERVICE_PORT_HTTP="8080",
        JOBWORKER_API_PORT="tcp://10.0.0.1:8080",
        JOBWORKER_API_PORT_8080_TCP="tcp://10.0.0.1:8080",
        JOBWORKER_API_PORT_8080_TCP_ADDR="10.0.0.1",
        JOBWORKER_API_PORT_8080_TCP_PROTO="tcp",
    )
    assert loaded.warnings == []
    assert loaded.settings == Settings()


def test_a_port_that_is_none_of_kubernetes_is_unknown_like_any_other() -> None:
    assert len(from_environment(JOBWORKER_API_PORT="8080").warnings) == 1


@pytest.mark.parametrize(
    ("variable", "text"), [("JOBWORKER_SUPERVISOR_BEAT", "6"), ("JOBWORKER_SUPERVISOR_LEASE", "5")]
)
def test_a_beat_too_slow_for_its_lease_is_refused(variable: str, text: str) -> None:
    with pytest.raises(BadSetting, match=rf"^{variable}: the lease .* must be at least three times the beat"):
        load({}, {variable: text}, None)


def test_a_part_of_up_runs_with_exactly_the_settings_of_up() -> None:
    Path("secret").write_text("redis://:pw@host/1")
    environ = {
        "HOME": "/h",
        "JOBWORKER_REDIS_URL_FILE": "secret",
        "JOBWORKER_API_NO_AUTH": "yes",
        "JOBWORKER_MINE": "1",
    }
    overrides: dict[str, dict[str, object]] = {
        "supervisor": {"handlers": ("a,b.py", 'c "d".py'), "queues": ("a=2", "b")},
        "jobs": {"priority": 9},
    }
    Path("jobworker.toml").write_text("[jobs]\nbackoff_jitter = false\n")
    settings = load(overrides, environ, None).settings
    Path("jobworker.toml").write_text("[this is broken meanwhile")
    handed_on = environment(settings, environ)
    again = load({}, handed_on, None)
    assert again.settings == settings
    # `up` has given the warning already; the variable is its user's, and stays.
    assert again.warnings == []
    assert (handed_on["HOME"], handed_on["JOBWORKER_MINE"]) == ("/h", "1")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host/0", "redis://host/0"),
        ("redis://:pw@host/0", "redis://:***@host/0"),
        ("rediss://user:p@ss:word@host:1/0", "rediss://user:***@host:1/0"),
        ("unix:///a:b@c/s", "unix:///a:b@c/s"),
        ("redis://host/0?password=pw&db=1", "redis://host/0?password=***&db=1"),
        (
            "sentinel://u:pw@a:1,b:2/s?sentinel_password=pw&db=1",
            "sentinel://u:***@a:1,b:2/s?sentinel_password=***&db=1",
        ),
    ],
)
def test_passwords_in_urls_are_masked(url: str, shown: str) -> None:
    assert masked_url(url) == shown


def test_only_urls_and_what_is_told_to_be_one_are_secrets() -> None:
    secrets = [setting.name for setting in SETTINGS.values() if setting.is_secret]
    assert secrets == ["redis.url", "client.url", "client.key", "webhooks.secret"]
    assert SETTINGS["webhooks.secret"].masked(("whsec_1", "whsec_2")) == ("***", "***")
    assert SETTINGS["client.key"].masked("jw_0123456789ab_" + "0" * 48) == "jw_0123456789ab_***"
    assert SETTINGS["client.key"].masked("") == ""
    assert SETTINGS["supervisor.workers"].masked("auto") == "auto"


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_a_default_survives_the_way_through_the_environment(setting: Setting) -> None:
    assert setting.from_text(setting.to_text(setting.default)) == setting.default


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "redis://host/",
        "redis://host:6379/15",
        "redis://user:p%2Fw@[::1]:6379/0?protocol=3",
        "redis://?db=1",
        "rediss://host?ssl_cert_reqs=none",
        "unix:///run/redis.sock?db=2",
        "unix://./s",
        "sentinel://host/jobs",
        "sentinels://user:secret@host:1,[::1]:2/jobs/3?sentinel_password=other",
    ],
)
def test_a_redis_url_with_a_database_or_none_is_taken(url: str) -> None:
    assert from_environment(JOBWORKER_REDIS_URL=url).settings.redis.url == url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "redis://host/abc",
            "redis://host/0x",
            "redis://host/1/2",
            "rediss://:secret@host/-1",
            "redis://",
            "host:6379",
        ),
        *("sentinel://", "sentinel://host", "sentinel:///jobs", "sentinel://host/jobs/x"),
    ],
)
def test_a_redis_url_whose_path_is_no_database_is_refused_with_its_name_and_what_is_allowed(url: str) -> None:
    with pytest.raises(BadSetting) as refused:
        from_environment(JOBWORKER_REDIS_URL=url)
    assert str(refused.value) == (
        "JOBWORKER_REDIS_URL: this value is not allowed; allowed: redis://HOST:PORT/N or rediss://HOST:PORT/N, "
        "N the number of the database, or unix://PATH?db=N, or sentinel://HOST:PORT,HOST:PORT/SERVICE/N, "
        "or sentinels:// for TLS"
    )


HANDLERS = '[exec."a.b"]\ncommand = ["cat"]\n'


def test_a_file_that_declares_handlers_is_one_more_file_of_handlers() -> None:
    loaded = from_file(HANDLERS)
    file = str(Path("settings.toml").resolve())
    assert loaded.settings.supervisor.handlers == (file,)
    assert loaded.sources["supervisor.handlers"] == "file settings.toml"
    both = from_file(f'[supervisor]\nhandlers = ["work.py"]\n{HANDLERS}')
    assert both.settings.supervisor.handlers == ("work.py", file)
    assert both.sources["supervisor.handlers"] == "file settings.toml"
    given = load({"supervisor": {"handlers": ("mine.py",)}}, {}, Path("settings.toml"))
    assert given.settings.supervisor.handlers == ("mine.py", file)
    assert given.sources["supervisor.handlers"] == "command line, file settings.toml"


def test_handlers_of_the_file_reach_the_parts_of_up_although_those_read_no_file() -> None:
    settings = from_file(HANDLERS).settings
    assert load({}, environment(settings, {}), None).settings == settings


def test_in_a_job_nothing_is_said_of_the_environment_which_is_the_supervisors() -> None:
    assert from_environment(JOBWORKER_COLOUR="red", JOBWORKER_JOB_ID="1", JOBWORKER_JOB_TYPE="t").warnings == []
