"""What an OPC UA server shows of a station, in the manner of OPC 40100-1 (Machine Vision); docs/line_protocols.md names it all.

Names and numbers of types, states and encodings are those that the companion specification gives them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from asyncua import Node, Server, ua
from asyncua.common.manage_nodes import create_data_type, create_encoding
from asyncua.common.structures104 import new_struct_field

from paddlex.line.contract import Answer, State

MACHINE_VISION = "http://opcfoundation.org/UA/MachineVision"
STATION = "urn:paddlex:line"

#: Results that GetResultById knows; the oldest is forgotten first.
MOST_RESULTS = 100

_UTC_TIME, _DURATION, _LOCALIZED_TEXT, _ANYTHING = (ua.NodeId(number) for number in (294, 290, 21, 24))
_STRING, _BYTES, _INT32, _UINT32, _BOOLEAN = (ua.NodeId(number) for number in (12, 15, 6, 7, 1))

_Fields = dict[str, ua.NodeId | str]
_BINARY_ID: _Fields = {"Id": _STRING, "Version?": _STRING, "Hash?": _BYTES, "HashAlgorithm?": _STRING,
                       "Description?": _LOCALIZED_TEXT}  # fmt: skip
_DESCRIBED_ID: _Fields = {"Id": _STRING, "Description?": _LOCALIZED_TEXT}

#: Structure -> the numbers of its type and of its binary encoding, and its fields; those with ? are optional.
_STRUCTURES: dict[str, tuple[int, int, _Fields]] = {
    "JobIdDataType": (3016, 5008, {"Id": _STRING}),
    "ResultIdDataType": (3021, 5274, {"Id": _STRING}),
    "MeasIdDataType": (3015, 5006, _DESCRIBED_ID),
    "PartIdDataType": (3004, 5013, _DESCRIBED_ID),
    "ProductIdDataType": (3003, 5224, _DESCRIBED_ID),
    "RecipeIdExternalDataType": (3002, 5002, _BINARY_ID),
    "RecipeIdInternalDataType": (3013, 5268, _BINARY_ID),
    "ConfigurationIdDataType": (3008, 5090, _BINARY_ID),
    "ProcessingTimesDataType": (3005, 5016, {
        "StartTime": _UTC_TIME, "EndTime": _UTC_TIME, "AcquisitionDuration?": _DURATION, "ProcessingDuration?": _DURATION,
    }),
    "ResultDataType": (3006, 5018, {
        "ResultId": "ResultIdDataType", "HasTransferableDataOnFile?": _BOOLEAN, "IsPartial": _BOOLEAN,
        "IsSimulated?": _BOOLEAN, "ResultState": _INT32, "MeasId?": "MeasIdDataType", "PartId?": "PartIdDataType",
        "ExternalRecipeId?": "RecipeIdExternalDataType", "InternalRecipeId": "RecipeIdInternalDataType",
        "ProductId?": "ProductIdDataType", "ExternalConfigurationId?": "ConfigurationIdDataType",
        "InternalConfigurationId": "ConfigurationIdDataType", "JobId": "JobIdDataType", "CreationTime": _UTC_TIME,
        "ProcessingTimes?": "ProcessingTimesDataType", "ResultContent?[]": _ANYTHING,
    }),
}  # fmt: skip

#: Fields of a result that its event has as well.
_IN_EVENT = ("ResultId", "IsPartial", "ResultState", "MeasId", "PartId", "InternalRecipeId", "ProductId",
             "InternalConfigurationId", "JobId", "CreationTime", "ProcessingTimes", "ResultContent")  # fmt: skip

#: State -> its number within the type, and that of its node.
_STATES = {"Preoperational": (1, 5028), "Halted": (2, 5029), "Error": (3, 5030), "Operational": (4, 5031)}
_AUTOMATIC_STATES = {"Initialized": (1, 5056), "Ready": (2, 5057), "SingleExecution": (3, 5058)}

_COMPLETED, _FAILED = 1, 4

#: What the station's own variables are before there is an answer; also their types.
_VARIABLES: dict[str, tuple[ua.VariantType, Any]] = {
    "State": (ua.VariantType.String, "fault"), "Reason": (ua.VariantType.String, "nothing is known yet"),
    "Heartbeat": (ua.VariantType.UInt32, 0), "Sequence": (ua.VariantType.UInt32, 0), "Id": (ua.VariantType.String, ""),
    "IsOk": (ua.VariantType.Boolean, False), "Verdict": (ua.VariantType.String, "NG"),
    "FailSafe": (ua.VariantType.String, "no answer"), "Score": (ua.VariantType.Double, float("nan")),
    "Threshold": (ua.VariantType.Double, float("nan")), "Product": (ua.VariantType.String, ""),
    "At": (ua.VariantType.DateTime, datetime(1970, 1, 1, tzinfo=timezone.utc)), "Repeated": (ua.VariantType.Boolean, False),
}  # fmt: skip

Method = Callable[..., Awaitable[list[ua.Variant]]]


class VisionSystem:
    """The nodes of one vision system, and what is written to them. Everything runs in the server's event loop.

    Args:
        server: initialised, not started.
        name: of the vision system.
    """

    def __init__(self, server: Server, name: str) -> None:
        self._server, self._name = server, name
        self._results: OrderedDict[str, Any] = OrderedDict()
        self._variables: dict[str, Node] = {}
        self._machines: dict[str, tuple[Node, dict[str, tuple[int, int]], int]] = {}

    async def build(self, methods: dict[str, Method]) -> None:
        """Make all nodes.

        Args:
            methods: of the state machines, by their names.
        """
        self._vision = await self._server.register_namespace(MACHINE_VISION)
        self._own = await self._server.register_namespace(STATION)
        for name, (number, encoding, fields) in _STRUCTURES.items():
            await self._structure(name, number, encoding, fields)
        await self._server.load_data_type_definitions()
        base, machine = self._server.nodes.base_object_type, self._server.get_node(ua.NodeId(2771))
        system = await self._object(
            self._server.nodes.objects, self._name, await self._type(base, "VisionSystemType", 1003)
        )
        outer = await self._machine(system, "VisionStateMachine", machine, 1017, "VisionStateMachineType", _STATES)
        inner = await self._machine(
            outer, "AutomaticModeStateMachine", machine, 1021, "VisionAutomaticModeStateMachineType", _AUTOMATIC_STATES
        )
        results = await self._object(system, "ResultManagement", await self._type(base, "ResultManagementType", 1007))
        cause = {"Cause": _INT32, "CauseDescription": _STRING}
        job: _Fields = {
            "MeasId": "MeasIdDataType", "PartId": "PartIdDataType", "RecipeId": "RecipeIdExternalDataType",
            "ProductId": "ProductIdDataType", "Parameters[]": _ANYTHING,
        }  # fmt: skip
        error: _Fields = {"Error": _INT32}
        for parent, name, given, back in (
            (outer, "Halt", cause, error), (outer, "Reset", cause, error), (outer, "SelectModeAutomatic", {}, error),
            (inner, "StartSingleJob", job, {"JobId": "JobIdDataType", **error}), (inner, "Stop", cause, error),
            (inner, "Abort", cause, error),
        ):  # fmt: skip
            await self._method(parent, name, methods[name], given, back)
        found: _Fields = {"ResultHandle": _UINT32, "Result": "ResultDataType", **error}
        given = {"ResultId": "ResultIdDataType", "Timeout": _INT32}
        await self._method(results, "GetResultById", self._result_by_id, given, found)
        await self._event(system)
        station = await self._server.nodes.objects.add_object(ua.NodeId("Station", self._own), f"{self._own}:Station")
        for name, (kind, value) in _VARIABLES.items():
            node_id = ua.NodeId(f"Station.{name}", self._own)
            self._variables[name] = await station.add_variable(node_id, f"{self._own}:{name}", value, kind)

    async def show_state(self, state: str, automatic: str | None) -> None:
        """Set both state machines; the inner one has no state where the outer one is not Operational."""
        await self._set_machine("AutomaticModeStateMachine", automatic)
        await self._set_machine("VisionStateMachine", state)

    async def show_beat(self, state: State) -> None:
        """Set what a heartbeat says."""
        await self._set(State=state.word, Reason=state.reason, Heartbeat=state.counter & 0xFFFFFFFF)

    async def show_answer(self, answer: Answer, given: dict[str, Any]) -> None:
        """Keep a result, set the station's variables, and raise the event.

        Args:
            answer: the answer.
            given: MeasId, PartId and ProductId of the job, as they came.
        """
        result = self._result(answer, given)
        self._results[result.ResultId.Id] = result
        while len(self._results) > MOST_RESULTS:
            self._results.popitem(last=False)
        score, threshold = (float("nan") if value is None else value for value in (answer.score, answer.threshold))
        await self._set(IsOk=False, Sequence=0)  # the values belong together where the sequence is not 0, and stays
        await self._set(
            Id=answer.id, Verdict=answer.verdict, FailSafe=answer.fail_safe or "", Score=score, Threshold=threshold,
            Product=answer.product or "", At=result.CreationTime, Repeated=answer.repeated, IsOk=answer.is_ok,
            Sequence=answer.sequence & 0xFFFFFFFF,
        )  # fmt: skip
        for name in _IN_EVENT:
            value = getattr(result, name)
            if value is not None:
                setattr(self._ready.event, name, value)
        await self._ready.trigger(message=f"{answer.verdict} {answer.id}")

    def _result(self, answer: Answer, given: dict[str, Any]) -> Any:
        at = datetime.fromisoformat(answer.at).astimezone(timezone.utc)
        text, number = ua.VariantType.String, ua.VariantType.Double
        content = [
            ua.Variant(answer.is_ok, ua.VariantType.Boolean), ua.Variant(answer.fail_safe or "", text),
            ua.Variant(float("nan") if answer.score is None else answer.score, number),
            ua.Variant(float("nan") if answer.threshold is None else answer.threshold, number),
            ua.Variant(answer.sequence, ua.VariantType.UInt64), ua.Variant(answer.repeated, ua.VariantType.Boolean),
            ua.Variant(answer.product or "", text), ua.Variant(answer.model or "", text),
        ]  # fmt: skip
        return ua.ResultDataType(
            ResultId=self._made("ResultIdDataType", Id=str(answer.sequence) if answer.sequence else f"0 {answer.id}"),
            IsPartial=False,
            ResultState=_COMPLETED if answer.fail_safe is None else _FAILED,
            MeasId=given.get("MeasId"),
            PartId=given.get("PartId"),
            ProductId=given.get("ProductId"),
            InternalRecipeId=self._made("RecipeIdInternalDataType", Id=answer.model or ""),
            InternalConfigurationId=self._made("ConfigurationIdDataType", Id=""),
            JobId=self._made("JobIdDataType", Id=answer.id),
            CreationTime=at,
            ProcessingTimes=self._made(
                "ProcessingTimesDataType", StartTime=at, EndTime=at + timedelta(seconds=max(0.0, answer.seconds))
            ),
            ResultContent=content,
        )

    async def _result_by_id(self, parent: ua.NodeId, wanted: ua.Variant, timeout: ua.Variant) -> list[ua.Variant]:
        result = self._results.get(getattr(wanted.Value, "Id", None) or "")
        found = self._made("ResultDataType") if result is None else result
        error = UNKNOWN_RESULT if result is None else 0
        return [ua.Variant(0, ua.VariantType.UInt32), ua.Variant(found), ua.Variant(error, ua.VariantType.Int32)]

    @staticmethod
    def _made(structure: str, **values: Any) -> Any:
        return getattr(ua, structure)(**values)

    def _type_id(self, kind: ua.NodeId | str) -> ua.NodeId:
        return ua.NodeId(_STRUCTURES[kind][0], self._vision) if isinstance(kind, str) else kind

    async def _structure(self, name: str, number: int, encoding: int, fields: _Fields) -> None:
        qualified = ua.QualifiedName(name, self._vision)
        node = await create_data_type(
            self._server.nodes.base_structure_type, ua.NodeId(number, self._vision), qualified
        )
        encoded = await create_encoding(node, ua.NodeId(encoding, self._vision), ua.QualifiedName("Default Binary", 0))
        definition = ua.StructureDefinition()
        definition.BaseDataType, definition.DefaultEncodingId = (
            self._server.nodes.base_structure_type.nodeid,
            encoded.nodeid,
        )
        has_optional = any("?" in field for field in fields)
        kinds = ua.StructureType
        definition.StructureType = kinds.StructureWithOptionalFields if has_optional else kinds.Structure
        definition.Fields = [
            new_struct_field(field.rstrip("?[]"), self._type_id(kind), array="[]" in field, optional="?" in field)
            for field, kind in fields.items()
        ]
        await node.write_data_type_definition(definition)

    async def _type(self, base: Node, name: str, number: int) -> Node:
        return await base.add_object_type(ua.NodeId(number, self._vision), ua.QualifiedName(name, self._vision))

    async def _object(self, parent: Node, name: str, kind: Node) -> Node:
        namespace = self._own if parent == self._server.nodes.objects else self._vision
        path = name if parent == self._server.nodes.objects else f"{parent.nodeid.Identifier}.{name}"
        return await parent.add_object(
            ua.NodeId(path, self._own), ua.QualifiedName(name, namespace), kind.nodeid, False
        )

    async def _machine(
        self, parent: Node, name: str, base: Node, number: int, type_name: str, states: dict[str, tuple[int, int]]
    ) -> Node:
        kind = await self._type(base, type_name, number)
        for state, (count, node_number) in states.items():
            node = await kind.add_object(
                ua.NodeId(node_number, self._vision), ua.QualifiedName(state, self._vision), ua.NodeId(2307)
            )
            await (await node.get_child("0:StateNumber")).write_value(ua.Variant(count, ua.VariantType.UInt32))
        made = await self._object(parent, name, kind)
        self._machines[name] = (await made.get_child("0:CurrentState"), states, self._vision)
        return made

    async def _set_machine(self, name: str, state: str | None) -> None:
        node, states, namespace = self._machines[name]
        identity = await node.get_child("0:Id")
        if state is None:
            nothing = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadStateNotActive))
            await self._server.write_attribute_value(node.nodeid, nothing)
            await self._server.write_attribute_value(identity.nodeid, nothing)
            return
        await identity.write_value(ua.Variant(ua.NodeId(states[state][1], namespace), ua.VariantType.NodeId))
        await node.write_value(ua.Variant(ua.LocalizedText(state, "en"), ua.VariantType.LocalizedText))

    async def _method(self, parent: Node, name: str, call: Method, given: _Fields, back: _Fields) -> None:
        node_id = ua.NodeId(f"{parent.nodeid.Identifier}.{name}", self._own)
        qualified = ua.QualifiedName(name, self._vision)
        await parent.add_method(node_id, qualified, call, self._arguments(given), self._arguments(back))

    def _arguments(self, fields: _Fields) -> list[ua.Argument]:
        return [
            ua.Argument(
                Name=name.rstrip("[]"), DataType=self._type_id(kind),
                ValueRank=ua.ValueRank.OneDimension if "[]" in name else ua.ValueRank.Scalar,
            )
            for name, kind in fields.items()
        ]  # fmt: skip

    async def _event(self, system: Node) -> None:
        kind = await self._type(self._server.nodes.base_event_type, "ResultReadyEventType", 1024)
        fields = {field.rstrip("?[]"): (field, kind) for field, kind in _STRUCTURES["ResultDataType"][2].items()}
        for name in _IN_EVENT:
            field, data_type = fields[name]
            value: Any = ua.Variant([], ua.VariantType.Variant) if "[]" in field else _empty(data_type)
            await kind.add_property(
                ua.NodeId(f"ResultReadyEventType.{name}", self._own), ua.QualifiedName(name, self._vision), value,
                datatype=self._type_id(data_type),
            )  # fmt: skip
        self._ready = await self._server.get_event_generator(kind, system)

    async def _set(self, **values: Any) -> None:
        for name, value in values.items():
            await self._variables[name].write_value(ua.Variant(value, _VARIABLES[name][0]))


#: What methods answer as Error: 0 is none, and the specification leaves those below 0 to each system.
WRONG_STATE, UNKNOWN_RESULT = -1, -2


def _empty(kind: ua.NodeId | str) -> ua.Variant:
    if isinstance(kind, str):
        return ua.Variant(getattr(ua, kind)())
    values = {_BOOLEAN: ua.Variant(False), _INT32: ua.Variant(0, ua.VariantType.Int32)}
    return values.get(kind, ua.Variant(_VARIABLES["At"][1], ua.VariantType.DateTime))
