/*
 * The start of a real process with the pipes that HCS gives.
 *
 *   stdin    we write   named pipe, our end overlapped   the process reads    its end synchronous
 *   stdout   we read    named pipe, our end overlapped   the process writes   its end synchronous
 *   stderr   as stdout
 *
 * Our ends go to the caller. Of stdin the service keeps a copy, so that the process sees the end of
 * its input only when both are closed. The process inherits its own ends and nothing else; ours of
 * these are closed right after the start, or the end of output would never come. A stream that was
 * not asked for is the null device.
 *
 * With a console there is one pipe in and one out, and a pseudo console between them and the
 * process, which inherits handles of the console. A console without a stdin pipe ends at once, and
 * the process with it: so does that of Windows.
 *
 * By a fault the service forgets to close the ends of output, and the console: it keeps them until a
 * reset.
 */
#include "double.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define PIPE_BYTES 65536
#define TRIES 3 /* of a start that fails inside Wine, about one in a thousand under load */
#define MAX_PIPES 65536

static SRWLOCK spawn_lock = SRWLOCK_INIT; /* never taken with the lock of all objects held */
static LONG last_pipe, repeated;
static HANDLE kept[64]; /* ends of output beyond their processes; lock held */
static size_t kept_count;
static bool gone[MAX_PIPES]; /* pipes that were found closed at both ends */

static void pipe_name(WCHAR name[64], LONG serial)
{
    swprintf(name, 64, L"\\\\.\\pipe\\hcsd-double-%lu-%ld", GetCurrentProcessId(), serial);
}

UINT64 live_pipes(void)
{
    LONG serial, count = last_pipe < MAX_PIPES ? last_pipe : MAX_PIPES - 1;
    UINT64 live = 0;
    WCHAR name[64];

    for (serial = 1; serial <= count; serial++) {
        if (gone[serial])
            continue;
        pipe_name(name, serial);
        if (!WaitNamedPipeW(name, 1) && GetLastError() == ERROR_FILE_NOT_FOUND)
            gone[serial] = true;
        else
            live++;
    }
    return live;
}

UINT64 repeated_starts(void)
{
    return (UINT64)repeated;
}

/* Both ends of a stream. */
static bool make_pipe(bool input, bool inherited, HANDLE *ours, HANDLE *theirs)
{
    SECURITY_ATTRIBUTES attributes = {sizeof(attributes), NULL, inherited};
    DWORD direction = input ? PIPE_ACCESS_OUTBOUND : PIPE_ACCESS_INBOUND;
    WCHAR name[64];

    pipe_name(name, InterlockedIncrement(&last_pipe));
    *ours = CreateNamedPipeW(name, direction | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
                             PIPE_TYPE_BYTE | PIPE_WAIT, 1, PIPE_BYTES, PIPE_BYTES, 0, NULL);
    if (*ours == INVALID_HANDLE_VALUE) {
        *ours = NULL;
        return false;
    }
    *theirs = CreateFileW(name, input ? GENERIC_READ : GENERIC_WRITE, 0, &attributes, OPEN_EXISTING,
                          0, NULL);
    if (*theirs == INVALID_HANDLE_VALUE)
        *theirs = NULL;
    return *theirs != NULL;
}

static HANDLE open_null(void)
{
    SECURITY_ATTRIBUTES attributes = {sizeof(attributes), NULL, TRUE};

    return CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                       &attributes, OPEN_EXISTING, 0, NULL);
}

static void close_handle(HANDLE *handle)
{
    if (*handle)
        CloseHandle(*handle);
    *handle = NULL;
}

static HANDLE duplicate(HANDLE handle)
{
    HANDLE copy = NULL;

    if (handle && !DuplicateHandle(GetCurrentProcess(), handle, GetCurrentProcess(), &copy, 0,
                                   FALSE, DUPLICATE_SAME_ACCESS))
        abort();
    return copy;
}

void stdio_give(Stdio *stdio, HANDLE given[3])
{
    int index;

    for (index = 0; index < 3; index++) {
        given[index] = stdio->reissue ? duplicate(stdio->ours[index]) : stdio->ours[index];
        if (!stdio->reissue)
            stdio->ours[index] = NULL;
    }
}

void stdio_close_stdin(Stdio *stdio)
{
    close_handle(&stdio->service_stdin);
    if (stdio->reissue)
        close_handle(&stdio->ours[0]);
}

void stdio_close_kept(void)
{
    lock();
    while (kept_count)
        CloseHandle(kept[--kept_count]);
    unlock();
}

static void keep(HANDLE end)
{
    lock();
    if (kept_count == ARRAYSIZE(kept))
        abort();
    kept[kept_count++] = duplicate(end);
    unlock();
}

void stdio_close_untaken(Stdio *stdio)
{
    int index;

    for (index = 0; index < 3; index++)
        close_handle(&stdio->ours[index]);
}

void stdio_close_service(Stdio *stdio)
{
    HPCON console;
    HANDLE input;

    lock();
    input = stdio->service_stdin;
    console = stdio->console;
    stdio->service_stdin = NULL;
    stdio->console = NULL;
    unlock();
    close_handle(&input);
    if (console)
        console_close(console);
}

/* ---- environment ---- */

static size_t name_length(const WCHAR *member)
{
    return wcscspn(member + 1, L"=") + 1; /* the names of drives begin with "=" */
}

static bool same_name(const WCHAR *one, const WCHAR *other)
{
    return name_length(one) == name_length(other) && _wcsnicmp(one, other, name_length(one)) == 0;
}

static int compare_members(const void *one, const void *other)
{
    return _wcsicmp(*(const WCHAR *const *)one, *(const WCHAR *const *)other);
}

/* Ours with the members of the document added or overridden, sorted as Windows wants it. */
static WCHAR *merge_environment(const WCHAR *added)
{
    WCHAR *inherited = GetEnvironmentStringsW(), *block, *end;
    const WCHAR *member, *sources[2], **members;
    size_t count = 0, index, size = 1, room = 0;
    int source;

    sources[0] = inherited;
    sources[1] = added ? added : L"";
    for (source = 0; source < 2; source++)
        for (member = sources[source]; *member; member += wcslen(member) + 1)
            room++;
    members = allocate((room + 1) * sizeof(*members));
    for (source = 0; source < 2; source++)
        for (member = sources[source]; *member; member += wcslen(member) + 1) {
            for (index = 0; index < count && !same_name(members[index], member); index++)
                ;
            members[index] = member;
            count += index == count;
        }
    qsort(members, count, sizeof(*members), compare_members);
    for (index = 0; index < count; index++)
        size += wcslen(members[index]) + 1;
    block = end = allocate((size + 1) * sizeof(WCHAR));
    for (index = 0; index < count; index++) {
        wcscpy(end, members[index]);
        end += wcslen(end) + 1;
    }
    release(members);
    FreeEnvironmentStringsW(inherited);
    return block;
}

/* ---- the start ---- */

typedef struct Start {
    HANDLE theirs[3];
    WCHAR *command, *environment;
    STARTUPINFOEXW info;
    PROCESS_INFORMATION made;
    DWORD flags;
} Start;

static bool open_streams(Start *start, const Launch *launch, Stdio *stdio)
{
    int index;

    for (index = 0; index < 3; index++) {
        bool asked =
            launch->pipes[index] && !(launch->console && index == 2); /* output is merged */

        if (asked ? !make_pipe(index == 0, !launch->console, &stdio->ours[index],
                               &start->theirs[index])
                  : (start->theirs[index] = open_null()) == INVALID_HANDLE_VALUE)
            return false;
        if (asked && stdio->keep_pipes && index)
            keep(start->theirs[index]);
    }
    stdio->service_stdin = duplicate(stdio->ours[0]);
    return true;
}

/* Ends of the console for the process to inherit, in place of the pipes that the console has now. */
static bool give_console(Start *start, const Launch *launch, Stdio *stdio)
{
    int index;

    if (FAILED(CreatePseudoConsole(launch->size, start->theirs[0], start->theirs[1], 0,
                                   &stdio->console)))
        return false;
    start->info.StartupInfo.dwFlags = STARTF_USESTDHANDLES; /* none, and not ours */
    if (!UpdateProcThreadAttribute(start->info.lpAttributeList, 0,
                                   PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, stdio->console,
                                   sizeof(stdio->console), NULL, NULL))
        return false;
    for (index = 0; index < 3; index++)
        close_handle(&start->theirs[index]);
    if (!console_handles(stdio->console, &start->theirs[0], &start->theirs[1]))
        return false;
    start->info.StartupInfo.hStdInput = start->theirs[0];
    start->info.StartupInfo.hStdOutput = start->info.StartupInfo.hStdError = start->theirs[1];
    return true;
}

/* Say what the process is given beside its command line: streams, or a console. */
static bool give_streams(Start *start, const Launch *launch, Stdio *stdio)
{
    SIZE_T size = 0;
    int count = launch->console ? 2 : 3;

    start->info.StartupInfo.cb = sizeof(start->info);
    InitializeProcThreadAttributeList(NULL, 2, 0, &size);
    start->info.lpAttributeList = allocate(size);
    if (!InitializeProcThreadAttributeList(start->info.lpAttributeList, 2, 0, &size))
        return false;
    if (launch->console) {
        if (!give_console(start, launch, stdio))
            return false;
    } else {
        start->info.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
        start->info.StartupInfo.hStdInput = start->theirs[0];
        start->info.StartupInfo.hStdOutput = start->theirs[1];
        start->info.StartupInfo.hStdError = start->theirs[2];
        start->flags |= DETACHED_PROCESS; /* a console that nobody sees would cost a process more */
    }
    return UpdateProcThreadAttribute(start->info.lpAttributeList, 0,
                                     PROC_THREAD_ATTRIBUTE_HANDLE_LIST, start->theirs,
                                     count * sizeof(HANDLE), NULL, NULL);
}

static bool create_process(Start *start, const Launch *launch)
{
    int tries;

    start->flags |= CREATE_SUSPENDED | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT;
    for (tries = 1;; tries++) {
        if (CreateProcessW(launch->application, start->command, NULL, NULL, TRUE, start->flags,
                           start->environment, launch->directory, &start->info.StartupInfo,
                           &start->made))
            return true;
        if (GetLastError() != ERROR_INTERNAL_ERROR || tries == TRIES)
            return false;
        InterlockedIncrement(&repeated);
    }
}

static HRESULT check_place(const Launch *launch, Failure *failure)
{
    WCHAR account[257]; /* UNLEN + 1 */
    DWORD size = ARRAYSIZE(account), attributes;

    if (launch->user && (!GetUserNameW(account, &size) || _wcsicmp(account, launch->user) != 0))
        return fail(failure, HRESULT_FROM_WIN32(ERROR_LOGON_FAILURE),
                    "user '%ls': unknown, or not ours", launch->user);
    if (launch->directory) {
        attributes = GetFileAttributesW(launch->directory);
        if (attributes == INVALID_FILE_ATTRIBUTES || !(attributes & FILE_ATTRIBUTE_DIRECTORY))
            return fail(failure, HRESULT_FROM_WIN32(ERROR_DIRECTORY),
                        "working directory '%ls' is no directory", launch->directory);
    }
    return S_OK;
}

static void CALLBACK on_exit(void *argument, BOOLEAN timed_out)
{
    Process *process = argument;
    HANDLE watch;

    (void)timed_out;
    lock(); /* the start holds it until the watch is noted */
    watch = process->watch;
    unlock();
    process_ended(process);
    UnregisterWaitEx(watch, NULL);
}

/*
 * Note that it runs, watch for its end, and let it go. Its system may have been paused or ended
 * since the create was begun; then it never runs.
 */
static HRESULT let_run(Process *process, Start *start, bool dies, Failure *failure)
{
    System *system = process->system;
    bool legal;

    lock();
    legal = is_legal(CALL_CREATE_PROCESS, system, failure);
    if (legal) {
        job_add(system, start->made.hProcess);
        process->process = start->made.hProcess;
        process->pid = start->made.dwProcessId;
        process->state = RUNNING;
        process->next = system->processes;
        system->processes = process;
        system->untold++;
        process_retain(process); /* the watch */
        if (!RegisterWaitForSingleObject(&process->watch, process->process, on_exit, process,
                                         INFINITE, WT_EXECUTEONLYONCE))
            abort();
    }
    unlock();
    if (!legal || dies)
        TerminateProcess(start->made.hProcess, CTRL_C_EXIT);
    else
        ResumeThread(start->made.hThread);
    CloseHandle(start->made.hThread);
    if (!legal)
        CloseHandle(start->made.hProcess);
    return failure->code;
}

HRESULT spawn(Process *process, const Launch *launch, Failure *failure)
{
    Start start = {.command = copy_text(launch->command),
                   .environment = merge_environment(launch->environment)};
    HRESULT result = check_place(launch, failure);
    int index;

    if (result == S_OK) {
        AcquireSRWLockExclusive(&spawn_lock); /* nobody else may inherit the ends of this process */
        if (!open_streams(&start, launch, &process->stdio) ||
            !give_streams(&start, launch, &process->stdio))
            result = fail(failure, HRESULT_FROM_WIN32(ERROR_NO_SYSTEM_RESOURCES),
                          "no pipe or console (error %lu)", GetLastError());
        else if (!create_process(&start, launch))
            result = fail(failure, HRESULT_FROM_WIN32(GetLastError()),
                          "executable of '%ls' (error %lu)",
                          launch->application ? launch->application : launch->command,
                          GetLastError());
        for (index = 0; index < 3; index++)
            close_handle(&start.theirs[index]);
        ReleaseSRWLockExclusive(&spawn_lock);
    }
    if (result == S_OK)
        result = let_run(process, &start, launch->console && !launch->pipes[0], failure);
    if (result != S_OK) {
        stdio_close_untaken(&process->stdio);
        stdio_close_service(&process->stdio);
    }
    if (start.info.lpAttributeList) {
        DeleteProcThreadAttributeList(start.info.lpAttributeList);
        release(start.info.lpAttributeList);
    }
    release(start.command);
    release(start.environment);
    return result;
}

static void note_interrupted(Process *process, bool interrupted)
{
    lock();
    process->interrupted = interrupted;
    unlock();
}

/* A thread that is made in another process: for who makes it, and who waits for that. */
typedef struct Injection {
    LONG references;
    HANDLE process, done, thread;
    DWORD event;
} Injection;

static void injection_release(Injection *injection)
{
    if (InterlockedDecrement(&injection->references))
        return;
    close_handle(&injection->thread);
    close_handle(&injection->process);
    close_handle(&injection->done);
    release(injection);
}

static void CALLBACK inject(PTP_CALLBACK_INSTANCE instance, void *argument)
{
    FARPROC routine = GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "CtrlRoutine");
    Injection *injection = argument;

    (void)instance;
    if (routine)
        injection->thread = CreateRemoteThread(injection->process, NULL, 0,
                                               (LPTHREAD_START_ROUTINE)(void *)routine,
                                               (void *)(uintptr_t)injection->event, 0, NULL);
    SetEvent(injection->done);
    injection_release(injection);
}

/*
 * Deliver a control event: a thread in the process that runs CtrlRoutine, which is how Windows
 * itself does it. So handlers of the process run, and a process without one is ended by the default
 * handler. That of Wine ends it with 0, where Windows has 0xC000013A; then the thread never returns
 * and has the code 0, too, while a handler that took the event makes it return 1.
 *
 * That of Wine 8 never makes the thread, and does not return, if the process is killed just then. So
 * somebody else makes it, and the end of the process is waited for as well.
 */
HRESULT interrupt(Process *process, DWORD event)
{
    Injection *injection;
    HRESULT result = S_OK;
    HANDLE either[2];
    DWORD code;

    if (process->state != RUNNING)
        return HR_PROCESS_ALREADY_STOPPED;
    injection = allocate(sizeof(*injection));
    injection->references = 2;
    injection->event = event;
    injection->done = either[0] = CreateEventW(NULL, TRUE, FALSE, NULL);
    DuplicateHandle(GetCurrentProcess(), process->process, GetCurrentProcess(),
                    &injection->process, 0, FALSE, DUPLICATE_SAME_ACCESS);
    either[1] = process->process;
    note_interrupted(process, true); /* before: it may have ended before the next line */
    if (!TrySubmitThreadpoolCallback(inject, injection, NULL))
        abort();
    if (WaitForMultipleObjects(2, either, FALSE, INTERRUPT_MS) != WAIT_OBJECT_0) {
        /* it has ended, or takes its time; nobody looks at the thread that it may get */
    } else if (!injection->thread) {
        note_interrupted(process, false);
        result = TerminateProcess(process->process, CTRL_C_EXIT) ? S_OK : E_ACCESSDENIED;
    } else if (WaitForSingleObject(injection->thread, INTERRUPT_MS) == WAIT_OBJECT_0 &&
               GetExitCodeThread(injection->thread, &code) && code == 1) {
        note_interrupted(process, false);
    }
    injection_release(injection);
    return result;
}
