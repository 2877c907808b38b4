"""Signing in and out, the first set-up, and the users."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pydantic
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

import paddlex
from paddlex.errors import WorkspaceError
from paddlex.inference.serving.errors import RequestError
from paddlex.studio.access import COOKIE, Access, cookies, need_engineer, user_of
from paddlex.studio.database.schema import User
from paddlex.studio.sessions import ABSOLUTE, SignedIn, csrf_of
from paddlex.studio.sign_in import Locked, Welcome, WrongPassword
from paddlex.studio.users import normal
from paddlex.studio.web.bodies import Body, parsed

if TYPE_CHECKING:
    from paddlex.studio.studio import Studio

#: Of the cookie by which a browser is known again, one a user, as long as browsers keep any.
_DEVICE = "studio_device_"
_DEVICE_SECONDS = 400 * 24 * 3600

#: Bytes of a body that anyone can send.
_OF_A_STRANGER = 2**14

#: More than that is no password, and no name.
_Text = pydantic.Field(max_length=2048)


class _Credentials(Body):
    name: str = _Text
    password: str = _Text


class _Setup(_Credentials):
    token: str = pydantic.Field("", max_length=256)


class _NewUser(_Credentials):
    role: Literal["operator", "engineer"]


class _Change(Body):
    role: Literal["operator", "engineer"] | None = None
    password: str | None = pydantic.Field(None, max_length=2048)
    isActive: bool | None = None  # noqa: N815


class _NewPassword(Body):
    old: str = _Text
    new: str = _Text


def add_routes(router: APIRouter, studio: Studio) -> None:
    """Add them."""
    access = studio.access
    _add_session(router, studio, access)
    _add_users(router, access)


def _add_session(router: APIRouter, studio: Studio, access: Access) -> None:
    def told(request: Request, user: dict[str, str] | None, csrf: str) -> dict[str, Any]:
        needs_setup = user is None and not access.users.are_there()
        return {
            "signedIn": user is not None,
            "needsSetup": needs_setup,
            "needsToken": needs_setup and access.needs_token(request),
            "user": user,
            "csrf": csrf,
            "version": paddlex.__version__,
            "workspace": "" if user is None else studio.workspace.path.name,
        }

    async def welcomed(request: Request, name: str, password: str) -> Response:
        devices = {
            key.removeprefix(_DEVICE): values[0]
            for key, values in cookies(request.scope).items()
            if key.startswith(_DEVICE) and len(values) == 1
        }
        address = access.address_of(request)
        try:
            welcome = await access.bench.run(partial(access.sign_in.sign_in, name, password, address, devices))
        except WrongPassword as error:
            raise RequestError(401, error.what, remedy=error.remedy, headers={"WWW-Authenticate": "Cookie"}) from None
        except Locked as error:
            raise _paused(error) from None
        if isinstance(before := request.scope["signed_in"], SignedIn):  # who was signed in in this browser is no longer
            await run_in_threadpool(access.users.sessions.end, before.digest)
        user = {"name": welcome.name, "role": welcome.role}
        response = JSONResponse(told(request, user, csrf_of(welcome.token)))
        _set_cookies(response, welcome, is_secure=access.is_secure(request))
        return response

    @router.get("/session")
    def session(request: Request) -> Response:
        signed_in: SignedIn | None = request.scope["signed_in"]
        if signed_in is None:
            return JSONResponse(told(request, None, ""))
        return JSONResponse(told(request, {"name": signed_in.name, "role": signed_in.role}, signed_in.csrf))

    @router.post("/session")
    async def sign_in(request: Request) -> Response:
        body = await parsed(request, _Credentials, _OF_A_STRANGER)
        return await welcomed(request, body.name, body.password)

    @router.delete("/session")
    async def sign_out(request: Request, everywhere: bool = False) -> Response:
        """End the session, or all of this user's."""
        signed_in: SignedIn | None = request.scope["signed_in"]
        if signed_in is not None:
            work = partial(access.users.sessions.end, signed_in.digest)
            await run_in_threadpool(partial(access.users.sign_out, signed_in.user_id) if everywhere else work)
        response = JSONResponse(await run_in_threadpool(told, request, None, ""))
        response.delete_cookie(COOKIE, path="/", secure=access.is_secure(request), httponly=True, samesite="strict")
        return response

    @router.post("/setup")
    async def set_up(request: Request) -> Response:
        body = await parsed(request, _Setup, _OF_A_STRANGER)
        if await run_in_threadpool(access.users.are_there):
            raise RequestError(409, "there is a user already", remedy="Sign in")
        access.check_setup_token(request, body.token)
        await access.bench.run(partial(_told, access.users.set_up, body.name, body.password))
        return await welcomed(request, body.name, body.password)


def _add_users(router: APIRouter, access: Access) -> None:
    def described(user: User) -> dict[str, Any]:
        return {
            "name": user.name,
            "role": user.role,
            "isActive": user.is_active,
            "madeAt": user.made_at,
            "lockedUntil": access.sign_in.locked_until(user),
        }

    @router.get("/users")
    def users(request: Request) -> Response:
        need_engineer(request)
        return JSONResponse({"users": [described(user) for user in access.users.all()]})

    @router.post("/users")
    async def add(request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _NewUser)
        work = partial(_told, access.users.add, body.name, body.role, body.password, user_of(request))
        return JSONResponse(described(await access.bench.run(work)), 201)

    @router.patch("/users/{name}")
    async def change(name: str, request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _Change)
        me: SignedIn = request.scope["signed_in"]
        if body.password is not None and normal(name).casefold() == me.name.casefold():
            raise RequestError(409, "this is your own password", remedy="Change it with the old one")
        work = partial(
            _told, access.users.change, name, me.name,
            role=body.role, password=body.password, is_active=body.isActive, but=me.digest,
        )  # fmt: skip
        return JSONResponse(described(await access.bench.run(work)))

    @router.post("/password")
    async def password(request: Request) -> Response:
        body = await parsed(request, _NewPassword)
        me: SignedIn = request.scope["signed_in"]
        try:
            device = await access.bench.run(partial(_told, access.sign_in.change_own, me, body.old, body.new))
        except WrongPassword as error:
            raise RequestError(403, error.what) from None
        except Locked as error:
            raise _paused(error) from None
        response = JSONResponse({"user": {"name": me.name, "role": me.role}})
        _set_device(response, me.user_id, device, is_secure=access.is_secure(request))
        return response


def _told(work: Any, *arguments: Any, **options: Any) -> Any:
    """Do it; what the user can put right, in what was typed, is 422."""
    try:
        return work(*arguments, **options)
    except (WrongPassword, Locked):
        raise
    except WorkspaceError as error:
        raise RequestError(422, error.what, remedy=error.remedy) from None


def _paused(error: Locked) -> RequestError:
    return RequestError(429, error.what, remedy=error.remedy, headers={"Retry-After": str(error.seconds)})


def _set_cookies(response: Response, welcome: Welcome, *, is_secure: bool) -> None:
    response.set_cookie(
        COOKIE, welcome.token, max_age=ABSOLUTE // 1000, path="/", secure=is_secure, httponly=True, samesite="strict"
    )
    _set_device(response, welcome.user_id, welcome.device, is_secure=is_secure)


def _set_device(response: Response, user_id: int, device: str, *, is_secure: bool) -> None:
    response.set_cookie(
        f"{_DEVICE}{user_id}", device, max_age=_DEVICE_SECONDS, path="/", secure=is_secure, httponly=True,
        samesite="strict",
    )  # fmt: skip
