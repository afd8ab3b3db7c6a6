// A stand-in for NVIDIA's management library: the functions that are called, with the answers of a machine with two cards
// and a third that cannot be asked. NO_INIT, NO_COUNT and OLD make it fail.
#include <string.h>

#ifdef NO_INIT
int nvmlInit_v2(void) { return 9; }
#else
int nvmlInit_v2(void) { return 0; }
#endif
int nvmlShutdown(void) { return 0; }

int nvmlSystemGetDriverVersion(char *text, unsigned size) {
	strncpy(text, "580.65.06", size);
	return 0;
}

int nvmlDeviceGetCount_v2(unsigned *n) {
#ifdef NO_COUNT
	return 3;
#endif
	*n = 3;
	return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **dev) {
	*dev = (void *)(unsigned long)(i + 1);
	return i < 2 ? 0 : 4;
}

int nvmlDeviceGetName(void *dev, char *text, unsigned size) {
	strncpy(text, "NVIDIA H200", size);
	return 0;
}

struct memory {
	unsigned long long total, free, used;
};

int nvmlDeviceGetMemoryInfo(void *dev, struct memory *m) {
	m->total = 150ull << 30;
	m->used = 1ull << 30;
	m->free = m->total - m->used;
	return 0;
}

struct pci {
	char legacy[16];
	unsigned domain, bus, device, id, subsystem;
	char bus_id[32];
};

int nvmlDeviceGetPciInfo_v3(void *dev, struct pci *p) {
	strcpy(p->bus_id, dev == (void *)1 ? "00000000:01:00.0" : "00000000:41:00.0");
	return 0;
}

#ifndef OLD
int nvmlDeviceGetCudaComputeCapability(void *dev, int *major, int *minor) {
	*major = 9;
	*minor = 0;
	return 0;
}
#endif
