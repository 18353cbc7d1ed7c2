"""``clearer train``."""

from clearer.commands.train_options import (
    BudgetMs,
    Data,
    FineTune,
    Iterations,
    LearningRate,
    LevelMap,
    Out,
    PresetName,
    Resume,
    RunPath,
    Size,
    TaskName,
    Teacher,
    WarmStart,
)
from clearer.terminal import live
from clearer.terminal.options import (
    AsJson,
    BatchSize,
    BudgetGmacs,
    BudgetMb,
    BudgetParams,
    BudgetPrecision,
    ChangedData,
    CheckpointSeconds,
    CompileOption,
    Debug,
    Devices,
    Minutes,
    MinutesNow,
    Nodes,
    PatchSize,
    Reduce,
    ValidateEvery,
    parse_size,
)
from clearer.terminal.task_options import with_task_options


@with_task_options
def train(
    run_path: RunPath = None,
    fine_tune: FineTune = False,
    level_map: LevelMap = False,
    warm_start: WarmStart = None,
    teacher: Teacher = None,
    budget_mb: BudgetMb = None,
    budget_ms: BudgetMs = None,
    budget_gmacs: BudgetGmacs = None,
    budget_params: BudgetParams = None,
    budget_precision: BudgetPrecision = "fp32",
    size: Size = None,
    data: Data = None,
    task: TaskName = None,
    preset: PresetName = None,
    iterations: Iterations = None,
    minutes: Minutes = None,
    minutes_now: MinutesNow = None,
    validate_every: ValidateEvery = None,
    batch_size: BatchSize = None,
    patch_size: PatchSize = None,
    reduce: Reduce = None,
    learning_rate: LearningRate = None,
    compile_: CompileOption = None,
    out: Out = None,
    resume: Resume = False,
    changed_data: ChangedData = False,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    devices: Devices = None,
    nodes: Nodes = None,
    as_json: AsJson = False,
    debug: Debug = False,
    **task_options: str,
) -> None:
    """Train the architecture of a run, resume, or fine-tune.

    With --fine-tune, budgets cut the network: see the tutorial, "A smaller budget".
    """
    with live.status("loading"):
        from clearer.api.limits import Limits
        from clearer.api.train import train as run_train
        from clearer.terminal.trained import print_trained
        from clearer.terminal.watch import TerminalWatch

    limits = Limits(
        budget_mb=budget_mb,
        budget_ms=budget_ms,
        budget_gmacs=budget_gmacs,
        budget_params=budget_params,
        budget_precision=budget_precision,
        size=None if size is None else parse_size(size),
    )
    result = run_train(
        run_path,
        fine_tune=fine_tune,
        level_map=level_map,
        warm_start=warm_start,
        teacher=teacher,
        limits=limits,
        data=data,
        task=task,
        task_options=task_options,
        preset=preset,
        iterations=iterations,
        minutes=minutes,
        minutes_now=minutes_now,
        validate_every=validate_every,
        batch_size=batch_size,
        patch_size=patch_size,
        reduce=reduce,
        learning_rate=learning_rate,
        compile=compile_,
        out=out,
        resume=resume,
        changed_data=changed_data,
        checkpoint_seconds=checkpoint_seconds,
        devices=devices,
        nodes=nodes,
        watch=TerminalWatch(),
    )
    if result.is_first:
        print_trained(result.run, result.splits, as_json)
