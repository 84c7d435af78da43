"""Starts LocalStack with the executor of this folder in place of the executor that needs Docker."""

from localstack.runtime.main import main
from localstack.services.lambda_.invocation.plugins import DockerRuntimeExecutorPlugin


def load_executor(*_, **__):
    from executor import ProcessExecutor

    return ProcessExecutor


DockerRuntimeExecutorPlugin.load = load_executor

if __name__ == "__main__":
    main()
