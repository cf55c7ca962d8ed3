"""Pages for people: what this is, and the documentation. No script runs in them, nothing is loaded from elsewhere."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import Request, Response

from pbx112.api.answers import answer
from pbx112.api.parts import Parts

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;"
    "background:#fff}h1{border-bottom:4px solid #c8102e}code,pre{background:#f2f2f2;padding:.1rem .3rem}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #ccc;padding:.3rem .5rem;text-align:left;"
    "vertical-align:top}.verb{font-weight:700}.note{border-left:4px solid #c8102e;padding-left:.8rem}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#111}code,pre{background:#222}"
    "td,th{border-color:#444}a{color:#8ab4f8}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_CSP = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'"

_HOME = {
    "id": (
        "Layanan telepon darurat 112",
        "Ini pintu web pbx112: catatan panggilan, antrean, operator, dan papan langsung. "
        "Panggilan diterima oleh Asterisk dan tidak pernah menunggu halaman ini.",
        (
            "Halaman admin",
            "Dokumentasi API",
            "Uraian untuk program (OpenAPI)",
            "Keadaan tiap bagian",
            "Angka untuk Prometheus",
        ),
        "Pusat demo: jangan dipakai untuk panggilan darurat yang sesungguhnya.",
    ),
    "en": (
        "Emergency telephone service 112",
        "This is the web door of pbx112: call records, queues, operators and the live board. "
        "Calls are taken by Asterisk and never wait for this page.",
        (
            "Pages for admins",
            "API documentation",
            "Description for programs (OpenAPI)",
            "State of each part",
            "Figures for Prometheus",
        ),
        "A demo centre: not for real emergency calls.",
    ),
}
_LINKS = ("/admin", "/docs", "/openapi.json", "/health/ready", "/metrics")


async def get_home(parts: Parts) -> Response:
    """What this is, and where to go on."""
    title, text, labels, demo = _HOME[parts.lang]
    links = "".join(f'<li><a href="{url}">{label}</a></li>' for url, label in zip(_LINKS, labels, strict=True))
    note = f'<p class="note">{demo}</p>' if parts.demo else ""
    foot = f"<p><small>pbx112 {escape(parts.version)}, {escape(parts.node)}</small></p>"
    return _page(parts.lang, title, f"<p>{text}</p>{note}<ul>{links}</ul>{foot}")


async def get_openapi(request: Request) -> Response:
    """The description of this API for programs."""
    return answer(_schema(request))


async def get_docs(request: Request) -> Response:
    """The description of this API for people."""
    return _page("en", "pbx112: HTTP API", "".join(_document(_schema(request))))


def _schema(request: Request) -> dict[str, Any]:
    app = request.app
    if app.openapi_schema is None:
        schema = app.openapi()
        flow = {"tokenUrl": "/v1/token", "scopes": {}}
        schemes = {"password": {"type": "oauth2", "flows": {"password": flow}}}
        schema.setdefault("components", {})["securitySchemes"] = schemes
        _tell_problems(schema)
    found: dict[str, Any] = app.openapi_schema
    return found


def _tell_problems(schema: Mapping[str, Any]) -> None:
    """Problem documents have a media type of their own, which FastAPI cannot be told."""
    for methods in schema["paths"].values():
        for operation in methods.values():
            problem = operation["responses"]["default"]
            problem["content"] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def _document(schema: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "<p>JSON over HTTP. Times are RFC 3339 in UTC with microseconds, durations whole milliseconds "
        "(<code>_ms</code>), absent facts <code>null</code>. Errors are problem documents (RFC 9457).</p>"
        "<p>Sign in: <code>POST /v1/token</code> with the form fields <code>username</code> and "
        "<code>password</code>; send <code>Authorization: Bearer &lt;access_token&gt;</code> from then on. "
        "Live: WebSocket <code>/v1/events?token=..</code>, or the first message "
        '<code>{"token": ".."}</code>. For programs: <a href="/openapi.json">openapi.json</a>.</p>'
    )
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f'<h3><span class="verb">{method.upper()}</span> <code>{escape(path)}</code></h3>'
            yield f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
            yield from _parameters(operation.get("parameters", ()))
    for name, model in schema.get("components", {}).get("schemas", {}).items():
        yield f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{escape(model.get("description", ""))}</p>'
        fields = model.get("properties", {})
        rows = "".join(
            f"<tr><td><code>{escape(key)}</code></td><td>{_type(of)}</td></tr>" for key, of in fields.items()
        )
        yield f"<table>{rows}</table>"


def _parameters(parameters: Any) -> Iterator[str]:
    if not parameters:
        return
    yield "<table>"
    for one in parameters:
        words = escape(one.get("description", ""))
        name = f"<code>{escape(one['name'])}</code> ({escape(one['in'])})"
        yield f"<tr><td>{name}</td><td>{_type(one.get('schema', {}))}</td><td>{words}</td></tr>"
    yield "</table>"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    return escape(str(schema.get("format") or schema.get("type", "any")))


def _page(lang: str, title: str, body: str) -> Response:
    html = (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>"
    )
    return Response(html, media_type="text/html", headers={"Content-Security-Policy": _CSP})
