"""What the world outside calls, each route once. A test finds every one in the OpenAPI of its service."""

from dataclasses import dataclass
from urllib.parse import urlencode

from doorstep.infra.access import Role


@dataclass(frozen=True)
class Route:
    """One route of one service, and the role it is called in."""

    service: str
    method: str
    path: str
    role: Role

    def target(self, names: dict[str, str]) -> tuple[str, str]:
        """Path and query, where all services are in one process: `names` that the path has, and the others. Raises
        KeyError when the path lacks one."""
        query = {name: value for name, value in names.items() if f"{{{name}}}" not in self.path}
        return f"/{self.service}{self.path.format(**names)}", urlencode(query)


_CASE = "/cases/{tenant_id}/{case_id}"
HOLD = Route("escalation", "POST", f"{_CASE}/holds", "operator")
LIFT_HOLD = Route("escalation", "POST", f"{_CASE}/holds/{{hold_id}}/lift", "compliance")
CONSENT = Route("escalation", "POST", f"{_CASE}/consents", "operator")
BLOCK = Route("escalation", "POST", f"{_CASE}/blocks", "operator")
ANSWER_DISPUTE = Route("escalation", "POST", f"{_CASE}/disputes/{{dispute_id}}/answers", "compliance")
CLOSE_DISPUTE = Route("escalation", "POST", f"{_CASE}/disputes/{{dispute_id}}/close", "compliance")
RECEIPT = Route("reminder", "POST", "/contacts/{permit_id}/receipts", "provider")
REPLY = Route("reminder", "POST", "/contacts/{permit_id}/replies", "provider")
AGENT = Route("visit-scheduler", "PUT", "/agents/{agent_id}", "operator")
VISIT = Route("visit-scheduler", "GET", "/visits/{visit_id}", "viewer")
START_VISIT = Route("visit-scheduler", "POST", "/visits/{visit_id}/start", "agent")
REPORT_VISIT = Route("visit-scheduler", "POST", "/visits/{visit_id}/report", "agent")
DISPUTES = Route("audit", "GET", "/disputes", "compliance")
TIMELINE = Route("audit", "GET", "/cases/{case_id}/timeline", "viewer")
