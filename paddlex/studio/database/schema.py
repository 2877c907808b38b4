"""The tables of a workspace. Times are milliseconds since 1970 in UTC; digests are SHA-256 in hexadecimal."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

#: SQLite counts by itself only in a column that is INTEGER.
_Number = BigInteger().with_variant(Integer, "sqlite")

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """All tables. Constraints have names, so that a migration can change them on any database."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012


class Product(Base):
    """What is inspected: one kind of part, before one camera.

    Attributes:
        live_id: the version that judges; None until one has gone live.
        shadow_id: the version that judges beside it and decides nothing.
        target_fpr: the share of good parts that may be called anomalous, 0 to 1.
        settings: of the product, see ``products.Settings``: model name, image size, regions, retention.
    """

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    made_at: Mapped[int] = mapped_column(BigInteger)
    live_id: Mapped[int | None] = mapped_column(
        BigInteger
    )  # no foreign key: versions point here, and one way is enough
    shadow_id: Mapped[int | None] = mapped_column(BigInteger)
    target_fpr: Mapped[float] = mapped_column(default=0.05)
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Picture(Base):
    """A picture that a workspace keeps as a file named after its content.

    Attributes:
        digest: of the file.
        suffix: of its name, such as ``.png``.
        size: bytes.
        brightness, sharpness: see ``drift``; of the whole picture.
    """

    __tablename__ = "pictures"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    suffix: Mapped[str] = mapped_column(String(8))
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int] = mapped_column(BigInteger)
    added_at: Mapped[int] = mapped_column(BigInteger)
    brightness: Mapped[float | None]
    sharpness: Mapped[float | None]


class Member(Base):
    """A picture's part in teaching a product.

    Attributes:
        role: ``good`` (learnt from), ``challenge`` (a known bad part that every model must find) or ``aside`` (left out).
        name: of the file when it came, for people.
        source: ``import``, ``camera`` or ``correction``.
        verdict_id: which verdict was corrected.
        where: polygons around the defect, [[[x, y], ...], ...] in shares of width and height; empty where none was drawn.
        problem: what was found wrong with it (``blurred``, ``dark``, ``duplicate``, ...); empty for nothing.
        duplicate_of: the picture that a duplicate is like; empty for none.
    """

    __tablename__ = "members"
    __table_args__ = (
        UniqueConstraint("product_id", "digest"),
        Index(None, "product_id", "role"),
        Index(None, "digest"),
    )

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    digest: Mapped[str] = mapped_column(ForeignKey("pictures.digest"))
    role: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(255))
    source: Mapped[str] = mapped_column(String(16))
    verdict_id: Mapped[int | None] = mapped_column(BigInteger)
    where: Mapped[list[Any]] = mapped_column(default=list)
    problem: Mapped[str] = mapped_column(String(32), default="")
    duplicate_of: Mapped[str] = mapped_column(String(64), default="")
    added_at: Mapped[int] = mapped_column(BigInteger)
    added_by: Mapped[str] = mapped_column(String(64))


class Version(Base):
    """A model with its threshold. Nothing of it changes once it is made: another threshold is another version.

    Attributes:
        number: of the product's versions, from 1.
        folder: of the model, relative to the workspace; versions that differ in the threshold share one.
        digest: of the folder's files.
        threshold: the raw score above which a part is anomalous; None for the folder's own.
        parent_id: the version that it was made from.
        how: ``train``, ``refit`` or ``threshold``.
        pictures: how many good ones were learnt from.
        learnt_at: when the good ones were read: what was called good later it has not learnt from.
        gate: what the gate found when it last looked, see ``gate.Finding``; empty before.
        live_at: when it last went live.
    """

    __tablename__ = "versions"
    __table_args__ = (UniqueConstraint("product_id", "number"),)

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    number: Mapped[int]
    folder: Mapped[str] = mapped_column(String(255))
    digest: Mapped[str] = mapped_column(String(64))
    threshold: Mapped[float | None]
    parent_id: Mapped[int | None] = mapped_column(BigInteger)
    how: Mapped[str] = mapped_column(String(16))
    pictures: Mapped[int]
    learnt_at: Mapped[int] = mapped_column(BigInteger)
    gate: Mapped[dict[str, Any]] = mapped_column(default=dict)
    made_at: Mapped[int] = mapped_column(BigInteger)
    made_by: Mapped[str] = mapped_column(String(64))
    live_at: Mapped[int | None] = mapped_column(BigInteger)


class Job(Base):
    """What is done beside the service, in a process of its own: a training, a refit, an export.

    Attributes:
        kind: ``check``, ``train``, ``refit``, ``qualify`` or ``export``.
        state: ``waiting``, ``running``, ``done``, ``failed``, ``cancelled`` or ``lost`` (its process ended without a word).
        done, total, what: progress; what is being done, in words of the log.
        command: the shell command that would do the same.
        folder: its own, relative to the workspace: config, log, results.
        error: why it failed, one line.
        result: what came of it, such as ``{"version": 3}``.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "product_id", "id"),)

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    what: Mapped[str] = mapped_column(String(100), default="")
    command: Mapped[str] = mapped_column(Text, default="")
    folder: Mapped[str] = mapped_column(String(255), default="")
    process: Mapped[int | None]
    error: Mapped[str] = mapped_column(Text, default="")
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    made_at: Mapped[int] = mapped_column(BigInteger)
    made_by: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)


def _folded_name(context: Any) -> str:
    return str(context.get_current_parameters()["name"]).casefold()[:255]


class Verdict(Base):
    """One judged picture. It is committed before the answer is sent.

    Attributes:
        model_digest: of the version's folder, kept for when the version is not.
        name: of the picture, as the client calls it.
        folded_name: the same without capital letters, see ``str.casefold``: what is searched.
        digest: of the picture; its file may have been removed since, see ``is_kept``.
        score, raw_score, threshold, area: as in the answer.
        brightness, sharpness, offset_x, offset_y, angle: what the picture was like; the last three of a model that aligns.
        regions: as in the answer, at most the ten strongest.
        by: who sent it: a user, or ``api``.
        corrected: ``good`` or ``bad``, as a person has said; empty where nobody has.
        shadow_id, shadow_score, shadow_anomalous: what the shadow version says.
    """

    __tablename__ = "verdicts"
    __table_args__ = (
        Index(None, "at", "id", "folded_name"),
        Index(None, "score", "id"),
        Index(None, "is_anomalous", "at", "id", "folded_name"),
        Index(None, "product_id", "at", "id", "folded_name"),
        Index(None, "product_id", "score", "id"),
        Index(None, "product_id", "is_anomalous", "at", "id"),
        Index(None, "product_id", "corrected", "is_anomalous", "at", "id"),
        Index(None, "corrected", "at", "id"),
        Index(None, "digest", "is_kept"),
        Index(None, "is_kept", "is_anomalous", "at", "id"),
    )

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    version_id: Mapped[int] = mapped_column(BigInteger)
    model_digest: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(255))
    folded_name: Mapped[str] = mapped_column(String(255), default=_folded_name)
    digest: Mapped[str] = mapped_column(String(64))
    is_kept: Mapped[bool] = mapped_column(default=True)
    is_anomalous: Mapped[bool]
    score: Mapped[float]
    raw_score: Mapped[float]
    threshold: Mapped[float]
    area: Mapped[float]
    brightness: Mapped[float | None]
    sharpness: Mapped[float | None]
    offset_x: Mapped[float | None]
    offset_y: Mapped[float | None]
    angle: Mapped[float | None]
    regions: Mapped[list[Any]] = mapped_column(default=list)
    by: Mapped[str] = mapped_column(String(64))
    corrected: Mapped[str] = mapped_column(String(8), default="")
    corrected_by: Mapped[str] = mapped_column(String(64), default="")
    corrected_at: Mapped[int | None] = mapped_column(BigInteger)
    shadow_id: Mapped[int | None] = mapped_column(BigInteger)
    shadow_score: Mapped[float | None]
    shadow_anomalous: Mapped[bool | None]


class User(Base):
    """Who may do what.

    Attributes:
        role: ``operator`` (judges and corrects) or ``engineer`` (everything).
        password: its Argon2 hash.
        failures: wrong passwords since the last right one.
        locked_until: until when no password is tried.
    """

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    password: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[int] = mapped_column(BigInteger, default=0)
    made_at: Mapped[int] = mapped_column(BigInteger)


class Session(Base):
    """Who is signed in; the browser has the token, the database its digest."""

    __tablename__ = "sessions"

    token_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[int] = mapped_column(BigInteger)


class AuditEntry(Base):
    """One change of a model, a threshold, a region or a user; never altered, never removed, see ``audit``.

    Attributes:
        number: from 1, without gaps.
        details: canonical JSON.
        previous: the hash of the entry before; 64 zeros for the first.
        hash: of everything above.
    """

    __tablename__ = "audit"

    number: Mapped[int] = mapped_column(_Number, primary_key=True, autoincrement=False)
    at: Mapped[int] = mapped_column(BigInteger)
    by: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    product: Mapped[str] = mapped_column(String(100), default="")
    details: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class DriftAlarm(Base):
    """What changed, and when it was noticed.

    Attributes:
        cause: ``light``, ``focus``, ``position`` or ``parts``.
        details: the figures that the alarm rests on.
        sent_at: when the webhook took it; None until then, or where there is none.
        attempts, error: of the webhook.
        closed_at, closed_by: when an engineer took note, or said that this is how it is now.
    """

    __tablename__ = "drift_alarms"
    __table_args__ = (Index(None, "product_id", "at"),)

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    at: Mapped[int] = mapped_column(BigInteger)
    cause: Mapped[str] = mapped_column(String(16))
    details: Mapped[dict[str, Any]]
    sent_at: Mapped[int | None] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(255), default="")
    closed_at: Mapped[int | None] = mapped_column(BigInteger)
    closed_by: Mapped[str] = mapped_column(String(64), default="")


class Setting(Base):
    """A setting of the whole workspace, by name: ``retention``, ``shifts``, ``webhook``."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[dict[str, Any]]
