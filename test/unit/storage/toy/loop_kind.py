"""A kind of storage of the tests' own: a file of a cluster file system, behind a loop device. No machine has to have it."""

from __future__ import annotations

from hamysql.finding import Finding
from hamysql.pending import LIVE, STORAGE, Pending
from hamysql.ports import Access, family
from hamysql.schema import values as v
from hamysql.schema.language import Section
from hamysql.storage.kind import Kind
from hamysql.storage.steps import Agreed, Step


class Loop(Kind):
    name = states = "loop"
    section = Section({"file": v.PATH, "size": v.count(1, 100), "port": v.PORT, "key": v.PATH})
    module = "hamysql_loop"
    packages_of = compared = ("loop",)
    operations = {"p_loop_mysql": ("start", "stop", "monitor")}
    without_fencing = "a file behind two loop devices is two caches of one disk"
    reached_by = "hamysql:storage:loop:file"
    links = ("the lock manager",)
    secrets = {("key",): 4}

    def check(self, config, report):
        for key, expected in (("file", "the file that holds the data"), ("key", "the lock manager's key")):
            if config["storage"]["loop"][key] is None:
                report.add(f"hamysql:storage:loop:{key}", "nothing", expected)

    def disks(self, config):
        return ["/dev/loop7"]

    def taken(self, config):
        return [config["storage"]["loop"]["port"]]

    def missing_secrets(self, section):
        return [] if section.get("key") else [("key",)]

    def noted(self, config):
        return None if config["storage"]["loop"]["size"] else {"size": 7}

    def unused(self, config):
        config["storage"]["loop"]["file"] = None

    def derive(self, config, noted):
        storage, loop = config["storage"], config["storage"]["loop"]
        loop["size"] = loop["size"] or (noted or {}).get("size")
        storage["filesystem"]["device"] = "/dev/loop7"
        storage["units"].append("dlm.service")

    def ports(self, config):
        own, peer = (config["cluster"]["nodes"][config[which]]["addresses"][0] for which in ("self", "peer"))
        return [Access("tcp", (config["storage"]["loop"]["port"],), (peer,), family(own))]

    def finish(self, config):
        config["storage"]["loop"]["text"] = f"{config['self']} of {config['cluster']['name']}"

    def below_the_filesystem(self, config):
        return [("p_loop_mysql", "ocf:example:loop", {"file": config["storage"]["loop"]["file"]})]

    def recognises(self, values):
        return ("p_loop_mysql", "file") in values

    def identity(self, config, values):
        file = ("storage:loop:file", config["storage"]["loop"]["file"])
        return {("p_loop_mysql", "file"): file, **super().identity(config, values)}

    def survey(self, site, run, latches):
        return {"file": site["storage"]["loop"]["file"], "there": run(["stat"]).returncode == 0, "ready": False}

    def servers(self, site):
        return [("192.0.2.60", 21064)]

    def facts(self, site):
        return {"modules": ["loop"]}

    def pending(self, site, run):
        return [Pending(LIVE, STORAGE, "hamysql:storage:loop:size", "1", str(site["storage"]["loop"]["size"]))]

    def apply(self, site, run):
        run(["losetup", "--set-capacity", "/dev/loop7"])

    def steps(self, surveys, run):
        left = tuple(name for name, seen in surveys.items() if not seen["storage"]["ready"])
        return (Step("attach", left, f"{surveys[left[0]]['storage']['file']} is behind no device"),) if left else ()

    def warnings(self, surveys, run):
        return ["a loop device is slow"]

    def state(self, survey):
        return f"file {survey['storage']['file']}"

    def trouble(self, survey):
        return "" if survey["storage"]["there"] else f"{survey['storage']['file']} is not there"

    def findings(self, machines, surveys):
        for machine in machines:
            if "loop" not in machine.storage["modules"]:
                yield Finding(machine.name, "no module loop", "it", "hamysql:storage:backend")

    def versions(self, machine):
        return {"the lock manager": machine.storage["version"]}

    def agreed(self, surveys):
        for name, seen in surveys.items():
            if seen["storage"].get("stranger"):
                yield Agreed(name, "hamysql:storage:loop:size", "1", "2", f"{name} takes 2", "keep", {"size": 2})

    def details(self, survey):
        return {"loop": survey["storage"].get("file", "")}
