"""The command's root: lazy subcommands, one form of error, one place for logs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module

import click

from orchestrator.domain.errors import OrchestratorError

# name -> (module, one line of help); the help stands here so that `--help` imports none of the modules.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "validate": ("orchestrator.cli.validate", "Check the settings and every spec."),
    "run": ("orchestrator.cli.run", "Launch a workflow."),
    "list": ("orchestrator.cli.list", "List Workflows, newest first."),
    "agents": ("orchestrator.cli.agents", "Show the providers of agents and what is installed."),
    "mcp": ("orchestrator.cli.mcp", "Check MCP servers."),
    "status": ("orchestrator.cli.status", "Show one Workflow with its Works and Tasks."),
    "logs": ("orchestrator.cli.logs", "Print what the agents of a Workflow said and did."),
    "pause": ("orchestrator.cli.pause", "Have a running Workflow stop behind its last finished Task."),
    "resume": ("orchestrator.cli.resume", "Go on with a paused or failed Workflow."),
    "cancel": ("orchestrator.cli.cancel", "End a Workflow for good."),
    "rollback": ("orchestrator.cli.rollback", "Put a Workflow back to one of its Checkpoints."),
    "delete": ("orchestrator.cli.delete", "Remove a Workflow with its trees, Reports and Checkpoints."),
    "mask": ("orchestrator.cli.mask", "Mask the secrets in text or JSON lines from stdin."),
    "cleanup": ("orchestrator.cli.cleanup", "Remove what has had its time, and more where the disk is full."),
    "restore-reports": ("orchestrator.cli.restore_reports", "Put the archived Reports of a Workflow back."),
    "triggers": ("orchestrator.cli.triggers", "List what starts workflows by itself, with last and next firing."),
    "events": ("orchestrator.cli.events", "Show events that could not be handled, and retry them."),
    "serve": ("orchestrator.cli.serve", "Run the operations server: health, metrics, webhooks, and the bus of events."),
    "up": ("orchestrator.cli.up", "Run the whole system on this machine."),
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if ctx.resilient_parsing:
            return click.Command(cmd_name, short_help=COMMANDS[cmd_name][1])
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="workflow-orchestrator")
def cli() -> None:
    """Durable, observable AI agent jobs over git repositories."""


def main() -> None:
    """Entry point: an expected error is one message on stderr and exit code 1, without a stack."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except OrchestratorError as error:
        from orchestrator.observe.log import mask_text

        click.echo(f"error: {mask_text(str(error))}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output went away (`| head`); nobody is left to be told.
        sys.stderr.close()
        sys.exit(1)
