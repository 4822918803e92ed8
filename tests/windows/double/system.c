/*
 * Compute systems. There is one, `host`, and it runs as long as whoever loaded this DLL.
 *
 * A handle whose service went away (`disconnect`) answers RPC_S_SERVER_UNAVAILABLE to everything but
 * its close; new handles can be opened at once.
 */
#include "double.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static System host = {
    .id = L"host", .owner = L"hcsd", .runtime_id = L"6d1f0a52-52c1-4c7e-9d3e-0c2f3b7a9e11"};
System *systems = &host;

static System *system_by_id(const WCHAR *id)
{
    System *system = systems;

    while (system && (!id || wcscmp(system->id, id) != 0))
        system = system->next;
    return system;
}

Opened *system_opened(HCS_SYSTEM handle, Failure *failure)
{
    Opened *opened = handle_get(SYSTEM_HANDLE, handle);

    if (!opened)
        fail(failure, E_HANDLE, "the system handle is not open");
    else if (opened->dead)
        fail(failure, HR_SERVER_UNAVAILABLE, "the service went away, and the handle with it");
    else
        return opened;
    return NULL;
}

static void add_string(Text *text, const char *name, const WCHAR *value)
{
    text_add_format(text, "%s\"%s\":", text->units[text->length - 1] == L'{' ? "" : ",", name);
    text_add_json(text, value);
}

/* What runs in it, by pid and by when it was created. Lock held. */
static void word_processes(Text *text, const System *system)
{
    const Process *process;
    const char *separator = "";
    FILETIME created, exited, kernel, user;
    ULARGE_INTEGER ticks;
    SYSTEMTIME time;
    WCHAR when[32];

    text_add(text, L",\"ProcessList\":[");
    for (process = system->processes; process; process = process->next) {
        if (process->state != RUNNING ||
            !GetProcessTimes(process->process, &created, &exited, &kernel, &user) ||
            !FileTimeToSystemTime(&created, &time))
            continue;
        ticks.LowPart = created.dwLowDateTime;
        ticks.HighPart = created.dwHighDateTime;
        _snwprintf(when, ARRAYSIZE(when), L"%04u-%02u-%02uT%02u:%02u:%02u.%07luZ", time.wYear,
                   time.wMonth, time.wDay, time.wHour, time.wMinute, time.wSecond,
                   (unsigned long)(ticks.QuadPart % 10000000));
        text_add_format(text, "%s{\"ProcessId\":%lu,\"CreateTimestamp\":\"%ls\"}", separator,
                        process->pid, when);
        separator = ",";
    }
    text_add(text, L"]");
}

static void word_properties(Text *text, const System *system, bool processes)
{
    text_add(text, L"{");
    add_string(text, "Id", system->id);
    add_string(text, "SystemType", L"Container");
    add_string(text, "RuntimeOsType", L"Windows");
    add_string(text, "Owner", system->owner);
    add_string(text, "RuntimeId", system->runtime_id);
    add_string(text, "State", L"Running");
    if (processes)
        word_processes(text, system);
    text_add(text, L"}");
}

/* An empty list, or none, asks for nothing. */
static bool wanted(const Json *query, const WCHAR *member, const WCHAR *value)
{
    const Json *list = json_member(query, member), *item;

    if (!list || !list->first)
        return true;
    for (item = list->first; item; item = item->next)
        if (json_is(item, value))
            return true;
    return false;
}

static void free_query(void *argument)
{
    json_free(argument);
}

static void enumerate(void *argument, Answer *answer, Failure *failure)
{
    const Json *query = argument;
    const System *system;
    Text text = {0};

    (void)failure;
    text_add(&text, L"[");
    lock();
    for (system = systems; system; system = system->next) {
        /* The members of the query combine with AND. No system here has a name. */
        if (!wanted(query, L"Ids", system->id) || !wanted(query, L"Names", L"") ||
            !wanted(query, L"Types", L"Container") || !wanted(query, L"Owners", system->owner))
            continue;
        if (text.length > 1)
            text_add(&text, L",");
        word_properties(&text, system, false);
    }
    unlock();
    text_add(&text, L"]");
    answer->document = text.units;
}

HRESULT WINAPI HcsEnumerateComputeSystems(PCWSTR query, HCS_OPERATION operation)
{
    Kickoff kickoff = {.function = "HcsEnumerateComputeSystems",
                       .operation = operation,
                       .type = HcsOperationTypeEnumerate,
                       .work = enumerate,
                       .discard = free_query};
    HRESULT result;

    if (!kickoff_begin(&kickoff, &result))
        return result;
    kickoff.argument = parse_system_query(query, &kickoff.failure);
    return kickoff_end(&kickoff);
}

HRESULT WINAPI HcsOpenComputeSystem(PCWSTR id, DWORD requestedAccess, HCS_SYSTEM *computeSystem)
{
    Fault fault = fault_take("HcsOpenComputeSystem");
    HRESULT result = fault.start;
    System *system;

    if (fault.block_ms)
        fault_wait(fault.block_ms);
    if (fault.disconnect)
        disconnect();
    fault_clear(&fault);
    if (!computeSystem)
        return E_POINTER;
    *computeSystem = NULL;
    if (!result && requestedAccess != GENERIC_ALL)
        result = E_INVALIDARG;
    if (result)
        return result;
    lock();
    system = system_by_id(id);
    if (system)
        *computeSystem = handle_add(SYSTEM_HANDLE, opened_new(system, &system->handles));
    unlock();
    return system ? S_OK : HR_SYSTEM_NOT_FOUND;
}

void WINAPI HcsCloseComputeSystem(HCS_SYSTEM computeSystem)
{
    Opened *opened;

    lock();
    opened = handle_remove(SYSTEM_HANDLE, computeSystem);
    if (opened)
        opened_close(opened, &((System *)opened->target)->handles);
    unlock();
}

typedef struct Question {
    const System *system;
    bool processes;
} Question;

static void get_properties(void *argument, Answer *answer, Failure *failure)
{
    const Question *question = argument;
    Text text = {0};

    (void)failure;
    lock();
    word_properties(&text, question->system, question->processes);
    unlock();
    answer->document = text.units;
}

HRESULT WINAPI HcsGetComputeSystemProperties(HCS_SYSTEM computeSystem, HCS_OPERATION operation,
                                             PCWSTR propertyQuery)
{
    Kickoff kickoff = {.function = "HcsGetComputeSystemProperties",
                       .operation = operation,
                       .system = computeSystem,
                       .type = HcsOperationTypeGetProperties,
                       .work = get_properties,
                       .discard = release};
    HRESULT result;
    Question *question;
    Opened *opened;

    if (!kickoff_begin(&kickoff, &result))
        return result;
    lock();
    opened = system_opened(computeSystem, &kickoff.failure);
    kickoff.argument = question = allocate(sizeof(*question));
    if (opened && parse_property_query(propertyQuery, &question->processes, &kickoff.failure))
        question->system = opened->target;
    unlock();
    return kickoff_end(&kickoff);
}

HRESULT WINAPI HcsSetComputeSystemCallback(HCS_SYSTEM computeSystem,
                                           HCS_EVENT_OPTIONS callbackOptions, const void *context,
                                           HCS_EVENT_CALLBACK callback)
{
    Fault fault = fault_take("HcsSetComputeSystemCallback");
    HRESULT result = fault.start;
    Failure failure = {0};
    Opened *opened;

    fault_clear(&fault);
    if (result)
        return result;
    lock();
    opened = system_opened(computeSystem, &failure);
    result =
        opened ? opened_set_callback(opened, callbackOptions, context, callback) : failure.code;
    unlock();
    failure_clear(&failure);
    return result;
}

static void kill_handle(void *object, void *argument)
{
    (void)argument;
    ((Opened *)object)->dead = true;
}

void disconnect(void)
{
    System *system;
    Process *process, **found;
    size_t count, index;

    lock();
    handle_each(SYSTEM_HANDLE, kill_handle, NULL);
    handle_each(PROCESS_HANDLE, kill_handle, NULL);
    unlock();
    operations_disconnect(false);
    for (system = systems; system; system = system->next) {
        deliver(&system->handles, HcsEventServiceDisconnect, NULL);
        lock();
        for (count = 0, process = system->processes; process; process = process->next)
            count++;
        found = allocate((count + 1) * sizeof(*found));
        for (count = 0, process = system->processes; process; process = process->next) {
            process_retain(process);
            found[count++] = process;
        }
        unlock();
        for (index = 0; index < count; index++) {
            deliver(&found[index]->handles, HcsEventServiceDisconnect, NULL);
            lock();
            process_release(found[index]);
            unlock();
        }
        release(found);
    }
}
