/*
 * bcryptprimitives.dll: the one function of it that programs in Rust ask for. Windows 10 has it,
 * Wine has it from version 9 on.
 */
#include <windows.h>

/* RtlGenRandom, by the only name under which it is exported. */
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG size);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T size)
{
    while (size > 0) {
        ULONG part = size < 0x10000000 ? (ULONG)size : 0x10000000;

        if (!SystemFunction036(buffer, part))
            return FALSE;
        buffer += part;
        size -= part;
    }
    return TRUE;
}
