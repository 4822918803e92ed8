/*
 * Processes.
 *
 *   STARTING ──started──▶ RUNNING ──its end is noticed──▶ EXITED
 *       └──the create fails, or is made to──▶ FAILED
 *
 * HcsCreateProcess gives out the handle at once, and it must be closed whatever becomes of the
 * process. Pipe ends go to whoever fetches process information first; those nobody fetched are
 * closed with the last handle. By a fault (`Reissue`) they stay with the service, and whoever fetches
 * process information gets duplicates. Closing handles neither ends a process nor tells of an end.
 */
#include "double.h"

#include <string.h>

#define TERMINATED_CODE 1 /* what a job gives its processes when it is terminated */

void process_retain(Process *process)
{
    process->references++;
}

void process_release(Process *process)
{
    if (--process->references)
        return;
    stdio_close_untaken(&process->stdio);
    stdio_close_service(&process->stdio);
    if (process->process)
        CloseHandle(process->process);
    system_release(process->system);
    release(process);
}

void process_take_stdio(Process *process, HCS_PROCESS_INFORMATION *information)
{
    HANDLE given[3];

    stdio_give(&process->stdio, given);
    information->ProcessId = process->pid;
    information->StdInput = given[0];
    information->StdOutput = given[1];
    information->StdError = given[2];
}

Opened *process_opened(HCS_PROCESS handle, Failure *failure)
{
    Opened *opened = handle_get(PROCESS_HANDLE, handle);

    if (!opened)
        fail(failure, E_HANDLE, "the process handle is not open");
    else if (opened->dead)
        fail(failure, HR_SERVER_UNAVAILABLE, "the service went away, and the handle with it");
    else
        return opened;
    return NULL;
}

/* Of an operation on a process: the process, with a reference, if it may be worked on. Lock held. */
static Process *target(HCS_PROCESS handle, bool alive, Failure *failure)
{
    Opened *opened = process_opened(handle, failure);
    Process *process = opened ? opened->target : NULL;

    if (process && alive && process->state != RUNNING) {
        if (process->state == STARTING)
            fail(failure, HR_INVALID_STATE, "the process has not started yet");
        else
            fail(failure, HR_PROCESS_ALREADY_STOPPED, "the process has exited");
        return NULL;
    }
    if (process)
        process_retain(process);
    return process;
}

/* What an operation on a process works on. */
typedef struct Task {
    Process *process;
    DWORD event;
    Modify modify;
} Task;

static Task *task_new(void)
{
    return allocate(sizeof(Task));
}

static void task_free(void *argument)
{
    Task *task = argument;

    if (task->process) {
        lock();
        process_release(task->process);
        unlock();
    }
    release(task);
}

/* ---- create ---- */

typedef struct Creation {
    Process *process;
    Launch launch;
    Fault fault; /* only what concerns the order of events */
} Creation;

static void creation_free(void *argument)
{
    Creation *creation = argument;

    lock();
    if (creation->process) {
        if (creation->process->state == STARTING)
            creation->process->state = FAILED;
        process_release(creation->process);
    }
    unlock();
    launch_clear(&creation->launch);
    release(creation);
}

static void create(void *argument, Answer *answer, Failure *failure)
{
    Creation *creation = argument;
    Process *process = creation->process;

    if (spawn(process, &creation->launch, failure) != S_OK)
        return;
    lock();
    if (creation->fault.exit_first)
        while (!process->told)
            SleepConditionVariableCS(&double_changed, &double_lock, INFINITE);
    process_retain(process);
    unlock();
    answer->process = process;
}

HRESULT WINAPI HcsCreateProcess(HCS_SYSTEM computeSystem, PCWSTR processParameters,
                                HCS_OPERATION operation,
                                const SECURITY_DESCRIPTOR *securityDescriptor, HCS_PROCESS *process)
{
    Kickoff kickoff = {.function = "HcsCreateProcess",
                       .operation = operation,
                       .system = computeSystem,
                       .type = HcsOperationTypeCreateProcess,
                       .work = create,
                       .discard = creation_free};
    Creation *creation;
    HRESULT result;
    Opened *opened;

    if (!process)
        return E_POINTER;
    *process = NULL;
    if (!kickoff_begin(&kickoff, &result))
        return result;
    kickoff.argument = creation = allocate(sizeof(*creation));
    creation->fault.exit_first = kickoff.fault.exit_first;
    lock();
    opened = system_opened(computeSystem, &kickoff.failure);
    if (opened && securityDescriptor)
        fail(&kickoff.failure, E_INVALIDARG, "the security descriptor is reserved");
    else if (opened && parse_launch(processParameters, &creation->launch, &kickoff.failure) &&
             is_legal(CALL_CREATE_PROCESS, opened->target, &kickoff.failure)) {
        Process *made = creation->process = allocate(sizeof(*made));

        made->system = opened->target;
        system_retain(made->system);
        made->references = 2; /* the creation and the handle */
        made->stdio.keep_pipes = kickoff.fault.keep_pipes;
        made->stdio.reissue = kickoff.fault.reissue;
        kickoff.process = *process = handle_add(PROCESS_HANDLE, opened_new(made, &made->handles));
    }
    unlock();
    return kickoff_end(&kickoff);
}

/* ---- handles ---- */

HRESULT WINAPI HcsOpenProcess(HCS_SYSTEM computeSystem, DWORD processId, DWORD requestedAccess,
                              HCS_PROCESS *process)
{
    Fault fault = fault_take("HcsOpenProcess");
    Failure failure = {0};
    HRESULT result = fault.start;
    Process *found = NULL;
    Opened *opened;

    if (fault.block_ms)
        fault_wait(fault.block_ms);
    if (fault.disconnect)
        disconnect();
    fault_clear(&fault);
    if (!process)
        return E_POINTER;
    *process = NULL;
    if (!result && requestedAccess != GENERIC_ALL)
        result = E_INVALIDARG;
    if (result)
        return result;
    lock();
    opened = system_opened(computeSystem, &failure);
    if (opened) {
        found = ((System *)opened->target)->processes;
        while (found && found->pid != processId)
            found = found->next;
        if (!found)
            failure.code = HR_NOT_FOUND; /* also of one that has exited */
    }
    if (found) {
        process_retain(found);
        *process = handle_add(PROCESS_HANDLE, opened_new(found, &found->handles));
    }
    result = failure.code;
    unlock();
    failure_clear(&failure);
    return result;
}

void WINAPI HcsCloseProcess(HCS_PROCESS process)
{
    Fault fault = fault_take("HcsCloseProcess");
    Opened *opened;

    if (fault.block_ms)
        fault_wait(fault.block_ms);
    fault_clear(&fault);
    lock();
    opened = handle_remove(PROCESS_HANDLE, process);
    if (opened) {
        Process *closed = opened->target;

        opened_close(opened, &closed->handles);
        if (!closed->handles)
            stdio_close_untaken(&closed->stdio);
        process_release(closed);
    }
    unlock();
}

HRESULT WINAPI HcsSetProcessCallback(HCS_PROCESS process, HCS_EVENT_OPTIONS callbackOptions,
                                     void *context, HCS_EVENT_CALLBACK callback)
{
    Fault fault = fault_take("HcsSetProcessCallback");
    Failure failure = {0};
    HRESULT result = fault.start;
    Opened *opened;

    if (fault.block_ms)
        fault_wait(fault.block_ms);
    fault_clear(&fault);
    if (result)
        return result;
    lock();
    opened = process_opened(process, &failure);
    result =
        opened ? opened_set_callback(opened, callbackOptions, context, callback) : failure.code;
    unlock();
    failure_clear(&failure);
    return result;
}

/* ---- operations on a process ---- */

/* The kickoff that all of them share; `parse` may refuse the document. */
static HRESULT start(Kickoff *kickoff, PCWSTR document, bool (*parse)(PCWSTR, Task *, Failure *),
                     bool alive)
{
    HRESULT result;
    Task *task;

    if (!kickoff_begin(kickoff, &result))
        return result;
    kickoff->argument = task = task_new();
    kickoff->discard = task_free;
    if (parse(document, task, &kickoff->failure)) {
        lock();
        task->process = target(kickoff->process, alive, &kickoff->failure);
        unlock();
    }
    return kickoff_end(kickoff);
}

static bool no_options(PCWSTR document, Task *task, Failure *failure)
{
    (void)task;
    return parse_nothing(document, "TerminateOptions", failure);
}

static bool no_query(PCWSTR document, Task *task, Failure *failure)
{
    (void)task;
    return parse_nothing(document, "ProcessPropertyQuery", failure);
}

static bool signal_options(PCWSTR document, Task *task, Failure *failure)
{
    return parse_signal(document, &task->event, failure);
}

static bool modify_request(PCWSTR document, Task *task, Failure *failure)
{
    return parse_modify(document, &task->modify, failure);
}

/* The second terminate of a process that is still going is denied, as Windows denies it. */
static void terminate(void *argument, Answer *answer, Failure *failure)
{
    Task *task = argument;
    Process *process = task->process;
    bool again;

    (void)answer;
    lock();
    again = process->terminated;
    process->terminated = true;
    unlock();
    if (process->state == EXITED)
        fail(failure, HR_PROCESS_ALREADY_STOPPED, "the process has exited");
    else if (again || !TerminateProcess(process->process, TERMINATED_CODE))
        fail(failure, E_ACCESSDENIED, "the process is ending already");
}

HRESULT WINAPI HcsTerminateProcess(HCS_PROCESS process, HCS_OPERATION operation, PCWSTR options)
{
    /* It has no type of its own in the enum. */
    Kickoff kickoff = {.function = "HcsTerminateProcess",
                       .operation = operation,
                       .process = process,
                       .type = HcsOperationTypeSignalProcess,
                       .work = terminate};

    return start(&kickoff, options, no_options, true);
}

static void signal_process(void *argument, Answer *answer, Failure *failure)
{
    Task *task = argument;
    HRESULT result;

    if (task->event == MAXDWORD) {
        terminate(argument, answer, failure);
        return;
    }
    result = interrupt(task->process, task->event);
    if (result != S_OK)
        fail(failure, result, "the process is ending already");
}

HRESULT WINAPI HcsSignalProcess(HCS_PROCESS process, HCS_OPERATION operation, PCWSTR options)
{
    Kickoff kickoff = {.function = "HcsSignalProcess",
                       .operation = operation,
                       .process = process,
                       .type = HcsOperationTypeSignalProcess,
                       .work = signal_process};

    return start(&kickoff, options, signal_options, true);
}

static void get_info(void *argument, Answer *answer, Failure *failure)
{
    Task *task = argument;
    Process *process = task->process;

    lock();
    if (process->state == RUNNING) {
        process_retain(process);
        answer->process = process;
    } else if (process->state == EXITED) {
        fail(failure, HR_PROCESS_ALREADY_STOPPED, "the process has exited");
    } else {
        fail(failure, HR_PROCESS_INFO_NOT_AVAILABLE, "the process has not started");
    }
    unlock();
}

HRESULT WINAPI HcsGetProcessInfo(HCS_PROCESS process, HCS_OPERATION operation)
{
    Kickoff kickoff = {.function = "HcsGetProcessInfo",
                       .operation = operation,
                       .process = process,
                       .type = HcsOperationTypeGetProcessInfo,
                       .work = get_info};

    return start(&kickoff, NULL, no_query, false);
}

static void get_status(void *argument, Answer *answer, Failure *failure)
{
    Task *task = argument;
    Text text = {0};

    (void)failure;
    lock();
    word_status(&text, task->process);
    unlock();
    answer->document = text.units;
}

HRESULT WINAPI HcsGetProcessProperties(HCS_PROCESS process, HCS_OPERATION operation,
                                       PCWSTR propertyQuery)
{
    Kickoff kickoff = {.function = "HcsGetProcessProperties",
                       .operation = operation,
                       .process = process,
                       .type = HcsOperationTypeGetProcessProperties,
                       .work = get_status};

    return start(&kickoff, propertyQuery, no_query, false);
}

static void modify_process(void *argument, Answer *answer, Failure *failure)
{
    Task *task = argument;
    Process *process = task->process;

    (void)answer;
    lock();
    if (process->state != RUNNING) {
        fail(failure, HR_PROCESS_ALREADY_STOPPED, "the process has exited");
    } else if (task->modify.resize) {
        if (!process->stdio.console)
            fail(failure, HR_INVALID_STATE, "the process has no console");
        else if (!console_resize(process->stdio.console, task->modify.size))
            fail(failure, E_FAIL, "the console does not take the size");
    } else if (task->modify.close_stdin) {
        stdio_close_stdin(&process->stdio);
    }
    unlock();
}

HRESULT WINAPI HcsModifyProcess(HCS_PROCESS process, HCS_OPERATION operation, PCWSTR settings)
{
    Kickoff kickoff = {.function = "HcsModifyProcess",
                       .operation = operation,
                       .process = process,
                       .type = HcsOperationTypeModifyProcess,
                       .work = modify_process};

    return start(&kickoff, settings, modify_request, true);
}

/* ---- the end ---- */

/* Note that an end has been told, after which that of the system may be. Lock not held. */
static void note_told(Process *process)
{
    lock();
    process->told = true;
    process->system->untold--;
    WakeAllConditionVariable(&double_changed);
    unlock();
    system_settle(process->system);
}

/* Note how a process ended and tell everybody who listens. */
void process_ended(Process *process)
{
    Fault fault = fault_take("ProcessExited");
    Process **link = &process->system->processes;
    Text text = {0};
    int count;

    lock();
    GetExitCodeProcess(process->process, &process->exit_code);
    if (process->interrupted && process->exit_code == 0)
        process->exit_code = CTRL_C_EXIT; /* what Windows gives; see `interrupt` */
    process->state = EXITED;
    while (*link && *link != process)
        link = &(*link)->next;
    if (*link)
        *link = process->next;
    if (fault.wait_failed)
        text_add_format(&text, "{\"ProcessId\":%lu,\"Exited\":true,\"LastWaitResult\":%ld}",
                        process->pid, (long)E_FAIL);
    else if (fault.event_malformed)
        text_add(&text, L"{\"ProcessId\":");
    else
        word_status(&text, process);
    unlock();
    fault_edit(&fault, &text.units);
    stdio_close_service(&process->stdio);
    if (fault.delay_ms)
        fault_wait(fault.delay_ms);
    if (fault.system_first)
        note_told(process);
    for (count = fault.found ? fault.event_count : 1; count > 0; count--)
        deliver(&process->handles, HcsEventProcessExited, fault.event_null ? NULL : text.units);
    if (!fault.system_first)
        note_told(process);
    release(text.units);
    fault_clear(&fault);
    lock();
    process_release(process);
    unlock();
}
