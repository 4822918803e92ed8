/*
 * The processes of a system as a whole, also those that its processes have started: a job object.
 *
 * It is made with the first process, and ends whatever is in it when the service ends, in order or
 * not: to stop the service of Windows ends containers, too.
 */
#include "double.h"

#include <stddef.h>

#define TERMINATED_CODE 1

/* What Windows has for debuggers; no header declares it. */
LONG NTAPI NtSuspendProcess(HANDLE process);
LONG NTAPI NtResumeProcess(HANDLE process);

void job_add(System *system, HANDLE process)
{
    if (!system->job) {
        JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};

        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        system->job = CreateJobObjectW(NULL, NULL);
        SetInformationJobObject(system->job, JobObjectExtendedLimitInformation, &limits,
                                sizeof(limits));
    }
    AssignProcessToJobObject(system->job, process);
}

void job_kill(System *system)
{
    if (system->job)
        TerminateJobObject(system->job, TERMINATED_CODE);
}

void job_close(System *system)
{
    job_kill(system);
    if (system->job)
        CloseHandle(system->job);
    system->job = NULL;
}

/* The pids in a job, for the caller to free. */
static JOBOBJECT_BASIC_PROCESS_ID_LIST *job_list(HANDLE job)
{
    JOBOBJECT_BASIC_PROCESS_ID_LIST *list = NULL;
    DWORD room = 64, size;

    for (;;) {
        size = offsetof(JOBOBJECT_BASIC_PROCESS_ID_LIST, ProcessIdList[room]);
        list = allocate(size);
        if (QueryInformationJobObject(job, JobObjectBasicProcessIdList, list, size, NULL))
            return list;
        if (GetLastError() != ERROR_MORE_DATA)
            abort(); /* a pause that pauses nothing would prove nothing */
        release(list);
        room *= 2;
    }
}

static bool lists(const JOBOBJECT_BASIC_PROCESS_ID_LIST *list, ULONG_PTR pid)
{
    DWORD index;

    for (index = 0; list && index < list->NumberOfProcessIdsInList; index++)
        if (list->ProcessIdList[index] == pid)
            return true;
    return false;
}

/* Visit all in a job that `before` does not list; returns how many. */
static DWORD visit(const JOBOBJECT_BASIC_PROCESS_ID_LIST *list,
                   const JOBOBJECT_BASIC_PROCESS_ID_LIST *before, LONG NTAPI (*each)(HANDLE))
{
    DWORD index, count = 0;

    for (index = 0; index < list->NumberOfProcessIdsInList; index++) {
        DWORD pid = (DWORD)list->ProcessIdList[index];
        HANDLE process;

        if (lists(before, pid))
            continue;
        count++;
        process = OpenProcess(PROCESS_SUSPEND_RESUME, FALSE, pid);
        if (process) { /* else it has ended */
            each(process);
            CloseHandle(process);
        }
    }
    return count;
}

/* One that is still running may start others, so all is over when nobody new was found. */
void job_suspend(System *system)
{
    JOBOBJECT_BASIC_PROCESS_ID_LIST *before = NULL, *list;
    DWORD found;

    if (!system->job)
        return;
    do {
        list = job_list(system->job);
        found = visit(list, before, NtSuspendProcess);
        release(before);
        before = list;
    } while (found);
    release(before);
}

void job_resume(System *system)
{
    JOBOBJECT_BASIC_PROCESS_ID_LIST *list;

    if (!system->job)
        return;
    list = job_list(system->job);
    visit(list, NULL, NtResumeProcess);
    release(list);
}
