"""Every operation as the OpenAPI document describes it: with what fits it and with what does not.

All checks are on. Where an answer is right and a check would not have it, the status stands below
with its reason. What is drawn is the same at each run.
"""

import copy
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.meta import TestPhase

from tests.live import Live, lift_control
from tests.system.bodies import namesake
from tests.system.holdings import Holdings, hold
from tests.system.spares import Callers, Spares
from tests.tenants import another
from tests.ways import DOCUMENT, SEEN, WAYS, Way, declared, operation_of

pytestmark = pytest.mark.slow

EXAMPLES = 50
WALKS = 12
SEED = 20261123

ACCEPTED = ["2xx", "404", "409", "412"]
"""What well-formed requests may meet: nothing by that name, a conflict, a stale condition."""
BATCHES = ["telemetry:ingest_events", "telemetry:ingest_outcomes"]
LISTS = [
    operation_of(way)["operationId"]
    for way in WAYS
    if any(found["name"] == "cursor" for found in operation_of(way).get("parameters", ()))
]
JUDGING = ["activation:judge_step", "release:judge_release", "release:judge_validation"]
ALSO: tuple[tuple[str, list[str]], ...] = (
    # A cursor is opaque: that it is one of this list's cannot be said in a schema.
    ("400", LISTS),
    # Who opened or developed something may not do it himself.
    ("403", ["gates:withdraw", "gates:decide"]),
    ("403", ["approvals:withdraw_request", "approvals:withdraw_approval"]),
    ("403", ["changes:withdraw_change", "changes:approve_change", "changes:reject_change"]),
    # Nor who asked for an approval, or whom an emergency helped.
    ("403", ["approvals:approve_request", "approvals:reject_request", "waivers:review_glass"]),
    # Who made the version does not say whether it did what it should.
    ("403", ["release:conclude"]),
    # A cause is named or there is none; a version is one of a model's.
    ("422", ["release:open_procedure", "release:list_procedures", "gates:list_cases"]),
    # What they are sent lets somebody in, or does not; not as often as one likes.
    ("401", ["identity:redeem_invitation", "identity:exchange_token"]),
    ("429", ["identity:exchange_token"]),
    # Nobody hands out more than he has, nor what is not his to hand out.
    ("403", ["identity:issue_key", "identity:delegate", "identity:create_trust_rule"]),
    # Made by the first PUT, replaced only with a condition.
    ("428", ["kpi-scopes:set_scope", "kpi-scopes:define_scope_kpi"]),
    ("428", ["kpi:define_kpi", "drift:set_monitor", "activation:put_target"]),
    ("428", ["activation:set_terms", "routing:set_fallback", "guardrails:set_guardrail"]),
    # Rules between fields, or over what is stored:
    ("422", ["routing:set_plan"]),  # names of arms are unique, one has a weight
    ("422", ["routing:set_fallback", "routing:stop_point"]),  # of the kind; both or none
    ("422", ["routing:list_stops"]),  # a moment that has passed
    ("422", ["guardrails:set_guardrail"]),  # a condition that compiles
    # Who developed it does not let it answer again.
    ("403", ["routing:resume_point"]),
    ("422", ["catalog:search_versions"]),  # words have letters or digits; beginnings, two of them
    ("422", ["catalog:set_alias"]),  # some names are the server's
    # Names of variables are unique, a source is harmless, specifics are of the model's kind.
    ("422", ["catalog:register_version", "catalog:create_point", "catalog:edit_point"]),
    ("422", ["catalog:make_instance"]),  # an endpoint is harmless
    # A walk comes to other people's models too.
    ("403", ["catalog:make_instance", "catalog:end_instance"]),
    ("422", ["activation:open_activation"]),  # so is what applications are given
    ("422", ["gates:replace_policy"]),  # every gate is named, every rule compiles
    ("422", ["gates:add_evidence", "gates:decide", *JUDGING]),  # the step is one of the case's
    ("422", ["identity:create_principal"]),  # a service account, and no other, has an owner
    ("422", ["drift:set_monitor"]),  # no more hits than windows
    ("422", ["kpi:define_kpi", "kpi:push_values"]),  # prices with their formula; pushed ones
    # Of a process no processes; a formula with what it needs; pushed ones; times in order.
    ("422", ["kpi-scopes:set_scope", "kpi-scopes:define_scope_kpi"]),
    ("422", ["kpi-scopes:push_scope_values", "kpi-scopes:measure_scope"]),
    ("422", ["kpi-scopes:get_scope_series", "kpi-scopes:withdraw_scope_kpi"]),
    ("422", ["drift:get_series", "drift:get_calibration", "kpi:get_value"]),  # times in order
    ("422", ["drift:get_fairness", "drift:get_feedback", "drift:get_multivariate"]),  # likewise
    # A segment that the contract declares.
    ("422", ["telemetry:get_telemetry", "kpi:measure_kpis"]),
    ("422", ["telemetry:put_baseline"]),  # columns are the signature's, and equally long
    ("422", ["identity:assign_roles"]),  # an administrator has no deciding role
    ("422", ["identity:invite_principal"]),  # a person, no service account
    ("403", ["identity:invite_principal"]),  # who has a key is not invited again
    ("422", ["identity:delegate"]),  # deciding roles, to another person, for a month at most
    ("422", ["identity:create_trust_rule"]),  # claims that stay, at an address that is public
    ("422", ["gates:get_policy", "gates:replay_policy"]),  # one moment; rules that compile
    ("422", ["audit:prove_inclusion", "audit:prove_consistency"]),  # sizes that the log has had
    # Moments that have passed.
    ("422", ["routing:get_plan", "activation:get_champion", "decision-rights:get_rights"]),
    ("422", ["decision-rights:replace_rights"]),  # somebody is left who can mend them
    ("422", ["approvals:ask_approval", "waivers:ask_waiver", "waivers:break_glass"]),  # steps
    ("422", ["activation:put_target"]),  # a health address is one that the server calls
    # Nobody hands over, takes over or waves through in every part at once.
    ("403", ["activation:accept_hand_off", "activation:resolve_incident"]),
    ("422", ["release:take_sample", "release:take_scores"]),  # of one common sample, a case's own
    ("422", ["webhooks:create_webhook", "webhooks:edit_webhook"]),  # an address that is called
    ("403", ["release:fail_validation"]),  # who opened a case does not end it so
    # Nobody signs in another's name: the key is one's own, and the signature is the key's.
    ("422", ["identity:register_signing_key"]),
    ("403", ["identity:register_signing_key", "identity:revoke_signing_key"]),
    ("403", ["gates:add_evidence", "operations:cancel_operation"]),
    ("422", ["telemetry:set_retention"]),  # receipts are kept as long as what they keep single
    # Cases are told apart; an endpoint is one that is called; what is asked for can be.
    ("428", ["release:keep_contract_cases"]),
    ("422", ["release:open_release"]),  # whom one asks to validate had no part in it
    ("422", ["release:keep_contract_cases", "release:run_integration", "release:run_release"]),
    ("422", ["activation:check_endpoint"]),  # one protocol alone names model and version
    ("422", ["alerts:create_silence"]),  # something is named, a version with its model
    ("400", BATCHES),  # bytes that call themselves a stream
    # Counts are in the bins of the version and add up, their layout is the one in force.
    ("422", ["telemetry:ingest_profile"]),
    ("422", BATCHES),  # tokens are the server's own, times are not in the future
)
"""What these may meet besides, though their schemas allow it."""
REFUSED = ["400", "404", "405", "409", "412", "413", "415", "422", "428"]
"""How ill-formed requests are refused; 412 and 428 come before the content (RFC 9110, 13.2.1)."""
UNREACHED = {
    # Each is done once in the life of a case, which was done before the first call came.
    "POST /v1/activations", "POST /v1/activations/{case_id}:commit", "POST /v1/validations",
    "POST /v1/releases", "POST /v1/cases/{case_id}:withdraw",
    "POST /v1/releases/{case_id}/steps/{step}:judge",
    "POST /v1/validations/{case_id}/steps/{step}:judge", "POST /v1/validations/{case_id}:fail",
    "PUT /v1/models/{name}/versions/{number}/baseline",
    # What goes before the swap; whose hand-off and preparation are another test's.
    "POST /v1/activations/{case_id}:prepare", "POST /v1/activations/{case_id}/hand-off",
    "POST /v1/activations/{case_id}/hand-off:accept",
    "POST /v1/releases/{case_id}/steps/parameter_testing:sample",
    "POST /v1/releases/{case_id}/steps/parameter_testing:recorded",
    "POST /v1/releases/{case_id}/steps/parameter_testing:query",
    "POST /v1/releases/{case_id}/steps/instantiation_validation:sample",
    "POST /v1/releases/{case_id}/integration-runs",
    "POST /v1/activations/{case_id}/integration-runs",
    # Evidence of a key is made by who has it; the operation that stands here is over.
    "POST /v1/principals/{principal_id}/signing-keys", "POST /v1/operations/{operation_id}:cancel",
    # There is no other champion to go back to.
    "POST /v1/decision-points/{key}:rollback",
    # The champion stays, and whatever is in use.
    "POST /v1/decision-points/{key}/seats/{seat_id}:unseat",
    "POST /v1/models/{name}/versions/{number}:retire",
    # No CI system signs anything here.
    "POST /v1/trust-rules/{rule_id}:exchange",
}  # fmt: skip
"""Operations that need not succeed here; the life of a model is another test's."""


def configured() -> SchemathesisConfig:
    also: dict[str, list[str]] = defaultdict(list)
    for status, names in ALSO:
        for name in names:
            also[name].append(status)
    return SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "generation": {
                "max-examples": EXAMPLES,
                "deterministic": True,
                "database": "none",
                # The key goes with every call; the check ignored_auth takes it away by itself.
                "with-security-parameters": False,
                # NUL is refused everywhere: test_bodies sends it.
                "allow-x00": False,
            },
            "checks": {
                "positive_data_acceptance": {"expected-statuses": ACCEPTED},
                "negative_data_rejection": {"expected-statuses": REFUSED},
                "missing_required_header": {"expected-statuses": ["428"]},  # RFC 6585, 3
            },
            "operations": [
                {
                    "include-operation-id": name,
                    "checks": {
                        "positive_data_acceptance": {"expected-statuses": [*ACCEPTED, *statuses]},
                        # Of a batch, each row is refused by itself, in a 207.
                        "negative_data_rejection": {
                            "expected-statuses": [*REFUSED, *(["207"] if name in BATCHES else [])]
                        },
                    },
                }
                for name, statuses in also.items()
            ],
        }
    )


for _media in (
    "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream", "text/csv",
    "application/x-ndjson",
):  # fmt: skip
    schemathesis.openapi.media_type(_media, st.binary(max_size=200))
schema = schemathesis.openapi.from_dict(copy.deepcopy(DOCUMENT), config=configured())
WAY: dict[str, Way] = {str(way): way for way in declared() if way.path not in SEEN}


@dataclass
class World:
    """The tenant that is tried, who tries it, and what they were answered."""

    held: Holdings
    callers: Callers
    spares: Spares
    untouchable: frozenset[str]
    """The callers and their keys: who disables himself learns nothing more."""
    answers: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def call(self, way: Way) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.callers.key(way)}"}
        return {"base_url": self.held.live.url, "headers": headers}

    def etag_of(self, path: str) -> str:
        """Return the condition on which what a path names, or what that is a part of, is edited."""
        headers = {"Authorization": f"Bearer {self.held.live.admin_key}"}
        for asked in (path, path.rpartition("/")[0]):
            found = httpx.get(self.held.live.url + asked, headers=headers)
            if "etag" in found.headers:
                return str(found.headers["etag"])
        return '"1"'


Case = schemathesis.Case[Any]
WORLDS: list[World] = []
"""The one there is: hooks are not given fixtures."""


@pytest.fixture(scope="module")
def world(live: Live) -> Iterator[World]:
    with another(live) as found:
        held = hold(found)
        lift_control(found, "policy")
        callers = Callers.of(held)
        keys = (found.admin.pages(f"/v1/principals/{caller}/keys") for caller in callers.ids)
        untouchable = callers.ids | {key["id"] for each in keys for key in each}
        WORLDS.append(World(held, callers, Spares(callers), untouchable))
        yield WORLDS[-1]
        WORLDS.clear()


@schemathesis.hook
def before_call(_: Any, case: Case, kwargs: Any) -> None:  # noqa: ARG001 - the hook's shape
    """Let every example, and every other well-formed case, speak of what there is."""
    world, way = WORLDS[-1], WAY[case.operation.label]
    path, meta = case.path_parameters, case.meta
    there = world.spares.there(way)
    if world.untouchable & {str(value) for value in path.values()}:
        path.update(there)
    # In a walk, what came before says what a call is about.
    if meta is None or meta.phase.name is TestPhase.STATEFUL:
        return
    body = case.body if isinstance(case.body, dict) else None
    example = meta.phase.name is TestPhase.EXAMPLES
    if not example and not crc32(repr((path, case.query, body)).encode()) % 2:
        return
    wrong = {part.value for part, found in meta.components.items() if found.mode.is_negative}
    if "path" not in wrong:
        path.update(there)
    if "query" not in wrong:
        for name in ("cursor", "size"):
            case.query.pop(name, None)
        case.query.update(world.held.query(way))
    if "body" not in wrong and body is not None:
        body.update({name: named(world.held) for name, named in namesake(way, body).items()})
    if "header" not in wrong and "if-match" in case.headers:
        case.headers["if-match"] = world.etag_of(case.formatted_path)


def keeps_to_its_description(label: str) -> Any:
    """Return the test of one operation."""

    # Not ``include``: what the configuration says of single operations already includes them all.
    @schema.exclude(lambda context: context.operation.label != label).parametrize()
    def keeps(case: Case, world: World) -> None:
        answer = case.call_and_validate(**world.call(WAY[label]))

        world.answers[label].add(answer.status_code)

    return keeps


# A function each: the items that schemathesis makes of one function share its node id, and of
# those that share one xdist runs the first only.
for _way in WAY.values():
    _name = operation_of(_way)["operationId"].replace(":", "_")
    globals()[f"test_{_name}_keeps_to_its_description"] = keeps_to_its_description(str(_way))


def test_what_one_answer_names_the_next_call_finds(world: World) -> None:
    """Walk from answer to answer: what was made is there, what was removed is gone."""
    machine: Any = schema.as_state_machine()
    wrong: list[Exception] = []
    steps = 0

    class Walk(machine):  # type: ignore[misc]
        def get_call_kwargs(self, case: Case) -> dict[str, Any]:
            return world.call(WAY[case.operation.label])

        def validate_response(self, response: Any, case: Any, **more: Any) -> None:
            nonlocal steps
            steps += 1
            try:
                super().validate_response(response, case, **more)
            except Exception as error:
                wrong.append(error)
                raise

    limits = hypothesis.settings(
        machine.TestCase.settings, max_examples=10, stateful_step_count=8, database=None
    )
    for number in range(WALKS):
        # The server remembers: the same beginning does not always have the same end.
        with suppress(FlakyStrategyDefinition):
            hypothesis.seed(SEED + number)(Walk).run(settings=limits)

    assert wrong == []
    assert steps > WALKS * 8


def test_what_was_tried_was_also_done(world: World) -> None:
    """Operations that are always refused would keep to any description."""
    if not world.answers:
        pytest.skip("looks at what the whole module did")
    assert world.answers.keys() == WAY.keys()
    vain = {name for name, found in world.answers.items() if not found & {200, 201, 202, 204, 207}}

    assert vain <= UNREACHED


def test_what_was_done_is_what_the_log_tells(world: World) -> None:
    """After all these calls every governed row is as its last entry says, and every chain holds."""
    found = world.held.live["aud"].post("/v1/audit:verify")

    assert found["faults"] == []
    assert found["rows"] > 100
