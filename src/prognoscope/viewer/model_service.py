"""An exported model over HTTP, on this machine alone: JSON in, predictions or FHIR-like risk assessments out."""

import hmac
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from prognoscope.core.errors import InputError, PrognoscopeError
from prognoscope.study.apply.export import open_model, read_about
from prognoscope.study.apply.predict import spec_of
from prognoscope.study.apply.request import predict_request
from prognoscope.viewer.access import is_loopback

if TYPE_CHECKING:
    import pandas as pd
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

MOST_BYTES = 64 * 2**20  # of a request
TOLD = ("title", "name", "study", "endpoint", "licence", "paper", "is_final", "patients", "events")
TOLD += ("last_month", "c_index")
MONTHS = {"unit": "months", "system": "http://unitsofmeasure.org", "code": "mo"}  # FHIR: no code without its system
log = logging.getLogger(__name__)


@dataclass(slots=True)
class ModelService:
    """Answers for one model.

    Args:
        folder: An exported model.
        token: Asked of everybody as `Authorization: Bearer ...`; "" on loopback, where only requests by this machine's
            own names are answered.
        most_bytes: Of a request.
    """

    folder: Path
    token: str = field(default="", repr=False)
    most_bytes: int = MOST_BYTES
    about: Mapping[str, Any] = field(init=False)
    ensemble: Any = field(init=False, repr=False)

    def __post_init__(self):
        self.about = read_about(self.folder)
        self.ensemble = open_model(self.folder, None, spec_of(None))

    def app(self) -> "Starlette":
        """GET / tells of the model; POST /predict predicts; POST /fhir/RiskAssessment does so in FHIR's words."""
        from starlette.applications import Starlette
        from starlette.routing import Route

        return Starlette(
            routes=[
                Route("/", self._tell, methods=["GET"]),
                Route("/predict", self._predict, methods=["POST"]),
                Route("/fhir/RiskAssessment", self._assess, methods=["POST"]),
            ]
        )

    async def _tell(self, request: "Request") -> "Response":
        return self._stopped(request) or _json({name: self.about.get(name) for name in TOLD})

    async def _predict(self, request: "Request") -> "Response":
        return await self._answer(request, is_fhir=False)

    async def _assess(self, request: "Request") -> "Response":
        return await self._answer(request, is_fhir=True)

    async def _answer(self, request: "Request", *, is_fhir: bool) -> "Response":
        from starlette.concurrency import run_in_threadpool
        from starlette.requests import ClientDisconnect

        if stopped := self._stopped(request):
            return stopped
        body = bytearray()
        try:
            async for part in request.stream():
                body += part
                if len(body) > self.most_bytes:
                    most = f"{self.most_bytes / 2**20:g} MiB"
                    return _said(413, f"The request is larger than {most}. Send fewer patients.")
        except ClientDisconnect:
            return _said(400, "The request broke off.")  # which nobody hears
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            return _said(400, "The request is not JSON.")
        try:
            table = await run_in_threadpool(self._table, asked)
        except InputError as cause:
            return _said(422, str(cause))
        except PrognoscopeError as cause:
            return _said(500, str(cause))
        except Exception:
            log.exception("a request failed")
            return _said(500, "Something failed that was not foreseen; the log of the service has it.")
        rows = [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]
        if is_fhir:
            return _json({"resourceType": "Bundle", "type": "collection", "entry": [*map(self._resource, rows)]})
        told = [*table.attrs["left_out"], *table.attrs["summary"]]
        return _json({"model": self.about["title"], "time_unit": "months", "predictions": rows, "told": told})

    def _table(self, asked: object) -> "pd.DataFrame":
        with TemporaryDirectory(prefix="prognoscope", ignore_cleanup_errors=True) as folder:
            return predict_request(self.ensemble, asked, Path(folder))

    def _resource(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A RiskAssessment in the manner of FHIR R4: the chance of the event by each asked month."""
        predictions, event = [], f"event ({named})" if (named := self.about.get("endpoint")) else "event"
        for name, value in row.items():
            if name.startswith("survival_") and name.endswith("_months"):
                month = float(name.removeprefix("survival_").removesuffix("_months"))
                within = {end: {"value": at, **MONTHS} for end, at in (("low", 0), ("high", month))}
                outcome = {"text": f"{event} within {month:g} months"}
                # FHIR has percentages here
                predictions.append({"outcome": outcome, "probabilityDecimal": 100 * (1 - value), "whenRange": within})
        group = {"qualitativeRisk": {"text": f"{row['risk_group']} risk"}, "outcome": {"text": event}}
        return {
            "resource": {
                "resourceType": "RiskAssessment",
                "status": "preliminary",
                "subject": {"identifier": {"value": row["patient_id"]}},
                "method": {"text": f"{self.about['title']}, trained on {self.about['study']}; research use"},
                "prediction": [*predictions, *([group] if row["risk_group"] else [])],
                **({"note": [{"text": row["flags"]}]} if row["flags"] else {}),  # FHIR has no empty lists
            }
        }

    def _stopped(self, request: "Request") -> "Response | None":
        if self.token:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode()):
                return _said(401, "Send the token that `prognoscope serve` printed: Authorization: Bearer TOKEN.")
        elif not is_loopback(request.url.hostname or ""):
            return _said(421, "This service does not answer to that name. Use the address that it printed.")
        return None


def _said(status: int, sentence: str) -> "Response":
    return _json({"error": sentence}, status)


def _json(value: object, status: int = 200) -> "Response":
    """An answer in ASCII, since a request may hold what no encoding has."""
    from starlette.responses import Response

    return Response(json.dumps(value, allow_nan=False), status, media_type="application/json")


def _plain(value: Any) -> Any:
    """JSON has no NaN."""
    return None if isinstance(value, float) and value != value else value
