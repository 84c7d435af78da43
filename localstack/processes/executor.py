"""An executor of LocalStack that runs functions with the runtime `provided` as processes of this machine.

LocalStack's own executor needs Docker. This one does not separate the functions from the machine: it is for trusted code.
"""

import os
import pathlib

from function_process import FunctionProcess
from localstack import config
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException, RuntimeExecutor

# Each function has a log file in this folder.
LOGS = pathlib.Path(os.environ["FUNCTION_LOGS"])


class ProcessExecutor(RuntimeExecutor):
    def __init__(self, id, function_version):
        super().__init__(id, function_version)
        self.process = None
        self.variables = {}

    @classmethod
    def prepare_version(cls, function_version):
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version):
        # The next version may have the same code. down.sh removes all files.
        pass

    def start(self, env_vars):
        self.variables = {name: str(value) for name, value in env_vars.items() if value is not None}
        self.start_process()

    def start_process(self):
        folder = pathlib.Path(self.function_version.config.code.get_unzipped_code_location())
        variables = self.variables | {"LAMBDA_TASK_ROOT": str(folder), "PATH": os.environ["PATH"]}
        self.process = FunctionProcess(folder, variables, LOGS / f"{self.function_version.id.function_name}.log")
        if not self.process.wait_until_ready():
            raise LambdaRuntimeException(f"the function did not request an invocation: {self.get_logs()}")

    def stop(self):
        if self.process:
            self.process.stop()

    def invoke(self, payload):
        # As on Lambda, a new process replaces one that exited or exceeded its time-out.
        if not self.process.is_running():
            self.process.stop()
            self.start_process()
        body, is_error, logs = self.process.invoke(payload, self.function_version.config.timeout)
        return InvocationResult(payload["invoke-id"], body, is_error=is_error, logs=logs)

    def get_logs(self):
        return self.process.read_log() if self.process else ""

    def get_address(self):
        return "127.0.0.1"

    def get_endpoint_from_executor(self):
        return "127.0.0.1"

    def get_runtime_endpoint(self):
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}"
