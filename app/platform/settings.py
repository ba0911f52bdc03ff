"""Configuration, read once from the environment and passed down."""

import re
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1 << 20


class Settings(BaseSettings):
    """Every setting is an environment variable ``MODELWARD_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="MODELWARD_", frozen=True)

    database_url: SecretStr | None = Field(
        None, description="libpq URL; without one an embedded Postgres is started."
    )
    login_password: SecretStr | None = Field(
        None,
        min_length=1,
        description="What `db upgrade --login` gives `modelward_login`; if unset, the owner's"
        " password, and for the embedded Postgres one of its own beside its data.",
    )
    data_dir: Path = Field(
        Path("modelward-data"), description="Where the embedded Postgres keeps its files."
    )
    host: str = "127.0.0.1"
    port: int = Field(8470, ge=0, le=65535)

    pool_size: int = Field(16, ge=1, description="Database connections of one process.")
    pool_wait_seconds: float = Field(0.1, description="Waited for a connection before a 503.")
    statement_timeout_ms: int = Field(10_000, description="A slow query ends here with a 503.")
    lock_timeout_ms: int = Field(5_000, description="A held lock ends here with a 503.")

    ingest_seconds: float = Field(
        12.0, description="Events and outcomes are answered 503 if they are not stored by then."
    )

    ingest_bytes_in_flight: int = Field(
        256 * MIB,
        ge=MIB,
        description="Bytes of bodies of events and outcomes that a process holds at a time, read or"
        " unpacked and not answered; beyond, 503 with Retry-After.",
    )
    ingest_events_waiting: int = Field(
        100_000,
        ge=10_000,
        description="Events that may wait to be written in a process; beyond, 503.",
    )

    max_body_bytes: int = Field(2 * MIB, description="Largest ordinary body.")
    max_upload_bytes: int = Field(64 * MIB, description="Largest batch of events or baseline.")
    body_seconds: float = Field(10.0, description="A body that trickles is cut after this.")

    refresh_seconds: float = Field(
        2.0, gt=0, le=5, description="Poll of the routing table and of the keys in use."
    )
    snapshot_dir: Path | None = Field(
        None,
        description="Where a process keeps plans and keys for a start without database; in data_dir"
        " if unset.",
    )
    snapshot_key: SecretStr | None = Field(
        None, description="Seals them: 32 bytes in hex; made beside them if unset."
    )
    table_max_age_seconds: float = Field(
        30.0,
        gt=0,
        description="Older than this a routing table makes its process not ready; for so long a"
        " version is drained before it is retired.",
    )
    stale_keys_seconds: float = Field(
        3600.0, description="How long keys last seen good keep working without a database."
    )
    wrong_credentials_per_second: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="Wrong keys and invitation codes that an IPv4 address or an IPv6 /64 may send"
        " to each process in the long run; then 429. 0: any number.",
    )
    wrong_credentials_burst: int = Field(30, ge=1, description="How many of them at once.")
    key_calls_per_second: float = Field(
        1000.0,
        ge=0,
        allow_inf_nan=False,
        description="Calls with one key that each process answers in the long run, decisions,"
        " events and outcomes aside; then 429. 0: any number.",
    )
    key_calls_burst: int = Field(2000, ge=1, description="How many of them at once.")

    pulse_seconds: int = Field(
        2, ge=1, le=30, description="How often the worker looks for work that is due."
    )
    audit_seconds: int = Field(
        5, ge=1, le=59, description="How often the audit log is numbered and signed."
    )
    audit_key_file: Path | None = Field(
        None, description="Ed25519 seed (hex) that signs checkpoints; made in data_dir if unset."
    )
    audit_origin: str = Field(
        "modelward", pattern=r"^[^\s+]{1,128}$", description="Begins the name of every audit log."
    )
    audit_sinks: SecretStr = Field(
        SecretStr(""),
        description="Comma-separated: file:/dir, https://… (POST), put+https://…/prefix (PUT).",
    )
    outbound_loopback: bool = Field(
        False, description="Let the server call itself and plain http; for tests and development."
    )
    outbound_private_hosts: str = Field(
        "",
        description="Comma-separated names of hosts whose addresses may be private: a CI system of"
        " one's own. Its certificate is verified; SSL_CERT_FILE names another authority.",
    )
    alertmanager_url: str = Field(
        "",
        description="Base of an Alertmanager's API v2, which is told of every alert that fires."
        " Called as webhooks are: https and public, but for OUTBOUND_PRIVATE_HOSTS and _LOOPBACK.",
    )
    alertmanager_stands_minutes: float = Field(
        30.0,
        ge=1,
        le=7 * 24 * 60,
        description="How long Alertmanager believes that an alert fires without being told again:"
        " longer than workers or the database are mostly away, or it says that all is resolved.",
    )
    webhook_timeout_seconds: float = Field(
        10.0, gt=0, le=30, description="A receiver that has not answered by then has failed."
    )
    webhook_retry_seconds: float = Field(
        5.0, gt=0, le=60, description="The first new attempt; the later ones, five times as late."
    )
    webhook_patience_hours: float = Field(
        120.0, gt=0, description="A receiver that takes nothing for so long is switched off."
    )
    webhook_concurrency: int = Field(
        16, ge=1, le=256, description="Receivers that a worker sends to at a time."
    )
    lake_sources: str = Field(
        "",
        description="Comma-separated: tenant/name=/dir/**/*.parquet (or .csv), files that parameter"
        " testing may ask; * for every tenant.",
    )
    log_level: str = "INFO"

    @field_validator("snapshot_key")
    @classmethod
    def _of_32_bytes(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not re.fullmatch("[0-9a-fA-F]{64}", key.get_secret_value()):
            raise ValueError("the key is 32 bytes in hex")
        return key
