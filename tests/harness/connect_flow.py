"""Amazon Connect's flow language (2019-10-30), as far as the fake needs it: what is wrong with a
flow is found as strictly as the documentation has it, and a flow can be run."""

import json
import time
import xml.etree.ElementTree as ElementTree

# Parameters that must be there, and those that may.
KNOWN = {
    "UpdateContactTextToSpeechVoice": (
        {"TextToSpeechVoice"},
        {"TextToSpeechEngine", "TextToSpeechStyle"},
    ),
    "Loop": ({"LoopCount"}, set()),
    "GetParticipantInput": (
        {"StoreInput", "InputTimeLimitSeconds"},
        {"SSML", "Text", "PromptId"},
    ),
    "UpdateContactAttributes": ({"Attributes"}, {"TargetContact"}),
    "MessageParticipant": (set(), {"SSML", "Text", "PromptId"}),
    "DisconnectParticipant": (set(), set()),
}
ENGINES = {
    "Takumi": {"Standard", "Neural"},
    "Mizuki": {"Standard"},
    "Kazuha": {"Neural"},
    "Tomoko": {"Neural"},
    "Joanna": {"Standard", "Neural"},
}
INPUT_ERRORS = {"InputTimeLimitExceeded", "NoMatchingCondition", "NoMatchingError"}
STANDARD_ONLY = {"emphasis", "auto-breaths", "phonation", "vocal-tract-length", "whispered"}


class FlowProblem(Exception):
    def __init__(self, problems):
        super().__init__("; ".join(problems))
        self.problems = problems


def action(name, kind, parameters, following=None, conditions=(), errors=()):
    transitions = {}
    if following:
        transitions = {
            "NextAction": following,
            "Conditions": [
                {"NextAction": to, "Condition": {"Operator": "Equals", "Operands": [operand]}}
                for operand, to in conditions
            ],
            "Errors": [{"NextAction": to, "ErrorType": error} for error, to in errors],
        }
    return {
        "Identifier": name,
        "Type": kind,
        "Parameters": parameters,
        "Transitions": transitions,
    }


class Flow:
    def __init__(self, content):
        problems = []
        try:
            flow = json.loads(content)
        except ValueError as error:
            raise FlowProblem([f"not JSON: {error}"]) from None
        if len(content.encode()) > 256_000:
            problems.append("Content is longer than 256,000")
        if flow.get("Version") != "2019-10-30":
            problems.append("Version must be 2019-10-30")
        if not isinstance(flow.get("Metadata"), dict):
            problems.append("Metadata is missing")
        self.actions = {each.get("Identifier"): each for each in flow.get("Actions", [])}
        if len(self.actions) != len(flow.get("Actions", [])):
            problems.append("an Identifier is there twice")
        self.start = flow.get("StartAction")
        if self.start not in self.actions:
            problems.append(f"StartAction {self.start} is not there")
        for name, each in self.actions.items():
            problems += [f"{name}: {text}" for text in self.problems_of(name, each)]
        if problems:
            raise FlowProblem(problems)

    def problems_of(self, name, each):
        kind, parameters = each.get("Type"), each.get("Parameters", {})
        transitions = each.get("Transitions", {})
        if not isinstance(name, str) or not 1 <= len(name) <= 50:
            yield "Identifier must have 1 to 50 characters"
        if kind not in KNOWN:
            yield f"unknown Type {kind}"
            return
        needed, allowed = KNOWN[kind]
        if not needed <= set(parameters) or not set(parameters) <= needed | allowed:
            yield f"Parameters of {kind}: {sorted(parameters)}"
            return
        if allowed >= {"SSML", "Text"} and len({"SSML", "Text", "PromptId"} & set(parameters)) != 1:
            yield "exactly one of SSML, Text, PromptId"
        if not all(isinstance(v, (str, dict)) for v in parameters.values()):
            yield "Parameters must be strings"
        targets = [each["NextAction"] for each in transitions.get("Conditions", [])]
        targets += [each["NextAction"] for each in transitions.get("Errors", [])]
        if kind == "DisconnectParticipant":
            if transitions:
                yield "DisconnectParticipant has no Transitions"
        else:
            targets.append(transitions.get("NextAction"))
        for target in targets:
            if target not in self.actions:
                yield f"goes to {target}, which is not there"
        yield from self.rules_of(kind, parameters, transitions)

    def rules_of(self, kind, parameters, transitions):
        operands = [c["Condition"]["Operands"] for c in transitions.get("Conditions", [])]
        errors = {each["ErrorType"] for each in transitions.get("Errors", [])}
        if kind == "Loop":
            if operands != [["ContinueLooping"], ["DoneLooping"]] or errors:
                yield "Loop needs ContinueLooping and DoneLooping, and nothing else"
            if not parameters["LoopCount"].isdigit() or int(parameters["LoopCount"]) > 100:
                yield "LoopCount must be 0 to 100"
        elif kind == "GetParticipantInput":
            if errors != INPUT_ERRORS:
                yield f"Errors must be {sorted(INPUT_ERRORS)}"
            if not all(len(o) == 1 and o[0] in list("0123456789*#") for o in operands):
                yield "Conditions must be single keys"
            if not 1 <= int(parameters["InputTimeLimitSeconds"]) <= 180:
                yield "InputTimeLimitSeconds must be 1 to 180"
        elif kind != "DisconnectParticipant" and errors != {"NoMatchingError"}:
            yield "Errors must be NoMatchingError"
        if kind == "UpdateContactTextToSpeechVoice":
            engine = parameters.get("TextToSpeechEngine", "Standard")
            if engine not in ENGINES.get(parameters["TextToSpeechVoice"], set()):
                yield f"no voice {parameters['TextToSpeechVoice']} with the engine {engine}"

    # -- running -----------------------------------------------------------------------------

    def run(self, contact, keys, speech_seconds, pace):
        """Until the flow or the contact ends. `keys`: [(monotonic time, key)], in order."""
        self_engine, loops, at = "Standard", {}, self.start
        for _ in range(200):
            each = self.actions[at]
            kind, p, t = each["Type"], each["Parameters"], each["Transitions"]
            if kind == "DisconnectParticipant" or contact.stopped.is_set():
                return
            at = t["NextAction"]
            if kind == "UpdateContactTextToSpeechVoice":
                self_engine = p.get("TextToSpeechEngine", "Standard")
            elif kind == "UpdateContactAttributes":
                contact.attributes.update(p["Attributes"])
            elif kind == "Loop":
                loops[each["Identifier"]] = loops.get(each["Identifier"], 0) + 1
                going = loops[each["Identifier"]] <= int(p["LoopCount"])
                at = condition(t, "ContinueLooping" if going else "DoneLooping")
            elif kind == "MessageParticipant":
                if not speak(contact, p, self_engine):
                    at = error(t, "NoMatchingError")
                elif contact.stopped.wait(min(1.0 * pace, speech_seconds)):
                    return
            elif kind == "GetParticipantInput":
                if not speak(contact, p, self_engine):
                    at = error(t, "NoMatchingError")
                    continue
                limit = speech_seconds + int(p["InputTimeLimitSeconds"]) * pace
                key = wait_for_key(contact, keys, limit)
                if key is None:
                    at = error(t, "InputTimeLimitExceeded")
                else:
                    at = condition(t, key) or error(t, "NoMatchingCondition")

    @staticmethod
    def built_in():
        """What a test without an installed flow gets: the same keys as Minato's own."""
        end = [("NoMatchingError", "end")]
        actions = [
            action("loop", "Loop", {"LoopCount": "3"}, "end"),
            action(
                "ask",
                "GetParticipantInput",
                {"SSML": "$.Attributes.ssml", "StoreInput": "False", "InputTimeLimitSeconds": "5"},
                "loop",
                [("1", "one"), ("2", "two"), ("9", "nine")],
                [(error, "loop") for error in sorted(INPUT_ERRORS)],
            ),
            action("one", "UpdateContactAttributes", {"Attributes": {"keys": "1"}}, "end", (), end),
            action("two", "UpdateContactAttributes", {"Attributes": {"keys": "2"}}, "end", (), end),
            action(
                "nine",
                "UpdateContactAttributes",
                {"Attributes": {"repeated": "9"}},
                "loop",
                (),
                end,
            ),
            action("end", "DisconnectParticipant", {}),
        ]
        actions[0]["Transitions"]["Conditions"] = [
            {"NextAction": to, "Condition": {"Operator": "Equals", "Operands": [operand]}}
            for operand, to in (("ContinueLooping", "ask"), ("DoneLooping", "end"))
        ]
        flow = {"Version": "2019-10-30", "StartAction": "loop", "Metadata": {}, "Actions": actions}
        return json.dumps(flow)


def condition(transitions, operand):
    for each in transitions["Conditions"]:
        if operand in each["Condition"]["Operands"]:
            return each["NextAction"]
    return None


def error(transitions, kind):
    return next(e["NextAction"] for e in transitions["Errors"] if e["ErrorType"] == kind)


def speak(contact, parameters, engine):
    """False for what Polly refuses: SSML that is malformed or that the engine does not support."""
    name = next(iter({"SSML", "Text"} & set(parameters)))
    text = parameters[name]
    if text.startswith("$.Attributes."):
        text = contact.attributes.get(text.removeprefix("$.Attributes."), "")
    if not text:
        return False
    if name == "SSML":
        text = ssml_text(text, engine)
    if text is None or len(text) > 3000:
        return False
    contact.spoken.append(text)
    return True


def ssml_text(ssml, engine):
    for prefix in ("amazon", "mark"):
        ssml = ssml.replace(f"<{prefix}:", "<").replace(f"</{prefix}:", "</")
    try:
        root = ElementTree.fromstring(ssml)
    except ElementTree.ParseError:
        return None
    if root.tag != "speak":
        return None
    for element in root.iter():
        if engine != "Standard" and element.tag in STANDARD_ONLY:
            return None
        if engine != "Standard" and element.tag == "prosody" and "pitch" in element.attrib:
            return None
    return "".join(root.itertext())


def wait_for_key(contact, keys, seconds):
    deadline = time.monotonic() + seconds
    at = min(keys[0][0], deadline) if keys else deadline
    if contact.stopped.wait(max(0, at - time.monotonic())):
        return None
    if keys and keys[0][0] <= deadline:
        return keys.pop(0)[1]
    return None
