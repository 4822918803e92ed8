/*
 * The life of a compute system: which call is legal when, and what the others are answered.
 *
 *   CREATING ──its create works──▶ CREATED ──start──▶ RUNNING ◀──pause, resume──▶ PAUSED
 *                                     │                  ├──shut down──┐             │
 *                                     └──terminate───────┴─────────────┴▶ ENDING ◀───┘
 *
 *   ENDING ──nothing of it is left, and that is told──▶ STOPPED ──last handle──▶ not listed any more
 *
 * One that is being created is nobody's: the handle is given out at once, and must be closed whatever
 * becomes of the create. An ending system is reported as what it was; terminating it cuts a shutdown
 * short. A pause suspends the threads of all that runs in the system; a resume lets them go on.
 *
 * Its processes are told before it: `untold` counts those whose end has not been delivered, and the
 * last of them stops the system. One that was made so is terminated when its last handle is closed.
 */
#include "double.h"

#include <wchar.h>

#define OK S_OK
#define NONE HR_SYSTEM_NOT_FOUND
#define WRONG HR_INVALID_STATE
#define GONE HR_SYSTEM_ALREADY_STOPPED
#define NEVER HR_NOT_SUPPORTED

static const struct {
    const char *verb;
    HRESULT answers[SYSTEM_STOPPED + 1];
} table[CALLS] = {
    /* clang-format off */
    /*                                          CREATING CREATED RUNNING PAUSED ENDING STOPPED */
    [CALL_START]          = {"start",            {NONE,    OK,     WRONG,  WRONG, GONE,  GONE}},
    [CALL_CREATE_PROCESS] = {"run a process in", {NONE,    WRONG,  OK,     WRONG, GONE,  GONE}},
    [CALL_SHUT_DOWN]      = {"shut down",        {NONE,    WRONG,  OK,     WRONG, GONE,  GONE}},
    [CALL_TERMINATE]      = {"terminate",        {NONE,    OK,     OK,     OK,    OK,    GONE}},
    [CALL_PAUSE]          = {"pause",            {NONE,    WRONG,  OK,     WRONG, GONE,  GONE}},
    [CALL_RESUME]         = {"resume",           {NONE,    WRONG,  WRONG,  OK,    GONE,  GONE}},
    [CALL_SAVE]           = {"save",             {NONE,    WRONG,  WRONG,  NEVER, GONE,  GONE}},
    [CALL_MODIFY]         = {"modify",           {NONE,    NEVER,  NEVER,  NEVER, GONE,  GONE}},
    [CALL_QUERY]          = {"query",            {NONE,    OK,     OK,     OK,    OK,    OK}},
    [CALL_MEASURE]        = {"measure",          {NONE,    WRONG,  OK,     OK,    GONE,  GONE}},
    /* clang-format on */
};

bool is_legal(Call call, const System *system, Failure *failure)
{
    HRESULT answer = table[call].answers[system->state];

    if (answer == NEVER)
        fail(failure, answer, "the double cannot %s systems", table[call].verb);
    else if (answer != OK)
        fail(failure, answer, "cannot %s system '%ls' in the state that it is in",
             table[call].verb, system->id);
    return answer == OK;
}

/* ---- the end ---- */

static void enter(System *system, SystemState state)
{
    system->state = system->shown = state;
}

/* Kill all that runs in it. Lock held. */
static void end(System *system, SystemExit how)
{
    system->state = SYSTEM_ENDING;
    system->exit = how;
    job_kill(system);
}

/* Note that it has stopped, if nothing of it is left. Lock held. */
static bool stop(System *system)
{
    if (system->state != SYSTEM_ENDING || system->untold)
        return false;
    enter(system, SYSTEM_STOPPED);
    job_close(system);
    if (!system->handles)
        system_unlist(system);
    return true;
}

void system_closed(System *system)
{
    if (system->handles)
        return;
    if (system->state == SYSTEM_STOPPED) {
        system_unlist(system);
    } else if (system->asked.ends_with_handles && system->state != SYSTEM_CREATING) {
        end(system, EXIT_FORCED);
        stop(system); /* there is nobody to tell */
    }
}

static void word_exit(Text *text, SystemExit how)
{
    bool graceful = how == EXIT_GRACEFUL;

    text_add_format(text,
                    "{\"Status\":%ld,\"ExitType\":\"%s\",\"Attribution\":[{\"SystemExit\":"
                    "{\"Detail\":\"%s\",\"Initiator\":\"Client\"}}]}",
                    (long)(graceful ? S_OK : HR_TERMINATED),
                    graceful ? "GracefulExit" : "ForcedExit", graceful ? "Shutdown" : "Terminate");
}

void system_settle(System *system)
{
    Fault fault;
    Text text = {0};
    bool stopped;
    int count;

    lock();
    stopped = stop(system);
    unlock();
    if (!stopped)
        return;
    fault = fault_take("SystemExited");
    if (fault.event_malformed)
        text_add(&text, L"{\"Status\":");
    else
        word_exit(&text, system->exit);
    fault_edit(&fault, &text.units);
    if (fault.delay_ms)
        fault_wait(fault.delay_ms);
    for (count = fault.found ? fault.event_count : 1; count > 0; count--)
        deliver(&system->handles, HcsEventSystemExited, fault.event_null ? NULL : text.units);
    release(text.units);
    fault_clear(&fault);
}

/* ---- create ---- */

static void create(void *argument, Answer *answer, Failure *failure)
{
    System *system = argument;

    (void)answer;
    lock();
    if (system_list(system)) {
        enter(system, SYSTEM_CREATED);
        system_closed(system); /* if nobody holds it any more */
    } else {
        fail(failure, HR_SYSTEM_ALREADY_EXISTS, "compute system '%ls' exists", system->id);
    }
    unlock();
}

HRESULT WINAPI HcsCreateComputeSystem(PCWSTR id, PCWSTR configuration, HCS_OPERATION operation,
                                      const SECURITY_DESCRIPTOR *securityDescriptor,
                                      HCS_SYSTEM *computeSystem)
{
    Kickoff kickoff = {.function = "HcsCreateComputeSystem",
                       .operation = operation,
                       .type = HcsOperationTypeCreate,
                       .work = create};
    Configuration asked = {0};
    HRESULT result;

    if (!computeSystem)
        return E_POINTER;
    *computeSystem = NULL;
    if (!kickoff_begin(&kickoff, &result))
        return result;
    if (!id || !*id) {
        fail(&kickoff.failure, E_INVALIDARG, "a compute system needs an id");
    } else if (securityDescriptor) {
        fail(&kickoff.failure, E_INVALIDARG, "the security descriptor is reserved");
    } else if (parse_configuration(configuration, &asked, &kickoff.failure)) {
        lock();
        kickoff.argument = system_new(id, &asked);
        kickoff.discard = system_discard;
        kickoff.system = *computeSystem = system_handle(kickoff.argument);
        unlock();
    }
    return kickoff_end(&kickoff);
}

/* ---- the calls that change it ---- */

/* The kickoff that all of them share; `parse` may refuse the options. */
static HRESULT begin(Kickoff *kickoff, PCWSTR options, ParseOptions parse)
{
    HRESULT result;
    Opened *opened;

    if (!kickoff_begin(kickoff, &result))
        return result;
    lock();
    opened = system_opened(kickoff->system, &kickoff->failure);
    if (opened && parse(options, &kickoff->failure)) {
        kickoff->argument = opened->target;
        kickoff->discard = system_discard;
        system_retain(opened->target);
    }
    unlock();
    return kickoff_end(kickoff);
}

#define CHANGE(name, kind, parse, work_)                                                           \
    HRESULT WINAPI name(HCS_SYSTEM computeSystem, HCS_OPERATION operation, PCWSTR options)         \
    {                                                                                              \
        Kickoff kickoff = {.function = #name,                                                      \
                           .operation = operation,                                                 \
                           .system = computeSystem,                                                \
                           .type = kind,                                                           \
                           .work = work_};                                                         \
                                                                                                   \
        return begin(&kickoff, options, parse);                                                    \
    }

static void start(void *argument, Answer *answer, Failure *failure)
{
    System *system = argument;

    (void)answer;
    lock();
    if (is_legal(CALL_START, system, failure))
        enter(system, SYSTEM_RUNNING);
    unlock();
}

/*
 * As with HostProcess containers: each process gets CTRL_SHUTDOWN_EVENT, and what is left is killed.
 * Of those that the processes have started it is not asked.
 */
static void shut_down(void *argument, Answer *answer, Failure *failure)
{
    System *system = argument;
    ULONGLONG until = GetTickCount64() + INTERRUPT_MS, now;
    Process **asked = NULL, **each;
    bool legal, obeyed = true;

    (void)answer;
    lock();
    legal = is_legal(CALL_SHUT_DOWN, system, failure);
    if (legal) {
        system->state = SYSTEM_ENDING;
        system->exit = EXIT_GRACEFUL;
        asked = system_processes(system);
    }
    unlock();
    if (!legal)
        return;
    for (each = asked; *each; each++)
        interrupt(*each, CTRL_SHUTDOWN_EVENT);
    for (each = asked; *each; each++) {
        now = GetTickCount64();
        obeyed &= WaitForSingleObject((*each)->process, now < until ? (DWORD)(until - now) : 0) ==
                  WAIT_OBJECT_0;
    }
    lock();
    for (each = asked; *each; each++)
        process_release(*each);
    if (system->state == SYSTEM_ENDING) /* else the last process has been told */
        end(system, obeyed ? system->exit : EXIT_FORCED);
    unlock();
    release(asked);
    system_settle(system);
}

static void terminate(void *argument, Answer *answer, Failure *failure)
{
    System *system = argument;

    (void)answer;
    lock();
    if (is_legal(CALL_TERMINATE, system, failure))
        end(system, EXIT_FORCED);
    unlock();
    system_settle(system);
}

static void pause_system(void *argument, Answer *answer, Failure *failure)
{
    System *system = argument;

    (void)answer;
    lock();
    if (is_legal(CALL_PAUSE, system, failure)) {
        enter(system, SYSTEM_PAUSED);
        job_suspend(system);
    }
    unlock();
}

static void resume(void *argument, Answer *answer, Failure *failure)
{
    System *system = argument;

    (void)answer;
    lock();
    if (is_legal(CALL_RESUME, system, failure)) {
        enter(system, SYSTEM_RUNNING);
        job_resume(system);
    }
    unlock();
}

/* Of a container there is nothing to save, and here nothing to modify: they are never legal. */
static void save(void *argument, Answer *answer, Failure *failure)
{
    (void)answer;
    lock();
    is_legal(CALL_SAVE, argument, failure);
    unlock();
}

static void modify(void *argument, Answer *answer, Failure *failure)
{
    (void)answer;
    lock();
    is_legal(CALL_MODIFY, argument, failure);
    unlock();
}

CHANGE(HcsStartComputeSystem, HcsOperationTypeStart, parse_start, start)
CHANGE(HcsShutDownComputeSystem, HcsOperationTypeShutdown, parse_shutdown, shut_down)
CHANGE(HcsTerminateComputeSystem, HcsOperationTypeTerminate, parse_terminate, terminate)
CHANGE(HcsPauseComputeSystem, HcsOperationTypePause, parse_pause, pause_system)
CHANGE(HcsResumeComputeSystem, HcsOperationTypeResume, parse_resume, resume)
CHANGE(HcsSaveComputeSystem, HcsOperationTypeSave, parse_save, save)

HRESULT WINAPI HcsModifyComputeSystem(HCS_SYSTEM computeSystem, HCS_OPERATION operation,
                                      PCWSTR configuration, HANDLE identity)
{
    Kickoff kickoff = {.function = "HcsModifyComputeSystem",
                       .operation = operation,
                       .system = computeSystem,
                       .type = HcsOperationTypeModify,
                       .work = modify};

    (void)identity;
    return begin(&kickoff, configuration, parse_modify_setting);
}
