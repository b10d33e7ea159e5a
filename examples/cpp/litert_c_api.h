// The part of LiteRT's C API that draw.cc uses, for builds without its headers: programs that have
// them (github.com/google-ai-edge/LiteRT, litert/c) include those instead.
#pragma once
#include <cstddef>
#include <cstdint>

extern "C" {
typedef struct LiteRtEnvironmentT* LiteRtEnvironment;
typedef struct LiteRtModelT* LiteRtModel;
typedef struct LiteRtOptionsT* LiteRtOptions;
typedef struct LiteRtCompiledModelT* LiteRtCompiledModel;
typedef struct LiteRtSignatureT* LiteRtSignature;
typedef struct LiteRtTensorT* LiteRtTensor;
typedef struct LiteRtTensorBufferT* LiteRtTensorBuffer;
typedef int LiteRtStatus;  // 0: well

// Element type and layout; 72 bytes, filled in and read by LiteRT only.
struct alignas(8) LiteRtRankedTensorType {
  unsigned char bytes[128];
};

LiteRtStatus LiteRtCreateEnvironment(int num_options, const void* options, LiteRtEnvironment*);
LiteRtStatus LiteRtCreateModelFromFile(LiteRtEnvironment, const char* path, LiteRtModel*);
LiteRtStatus LiteRtGetModelMetadata(LiteRtModel, const char* key, const void** data, size_t*);
LiteRtStatus LiteRtCreateOptions(LiteRtOptions*);
LiteRtStatus LiteRtSetOptionsHardwareAccelerators(LiteRtOptions, int accelerators);  // 1: CPU
LiteRtStatus LiteRtCreateCompiledModel(LiteRtEnvironment, LiteRtModel, LiteRtOptions,
                                       LiteRtCompiledModel*);
LiteRtStatus LiteRtGetNumModelSignatures(LiteRtModel, size_t*);
LiteRtStatus LiteRtGetModelSignature(LiteRtModel, size_t index, LiteRtSignature*);
LiteRtStatus LiteRtGetSignatureKey(LiteRtSignature, const char**);
LiteRtStatus LiteRtGetNumSignatureInputs(LiteRtSignature, size_t*);
LiteRtStatus LiteRtGetSignatureInputName(LiteRtSignature, size_t index, const char**);
LiteRtStatus LiteRtGetSignatureInputTensorByIndex(LiteRtSignature, size_t index, LiteRtTensor*);
LiteRtStatus LiteRtGetNumSignatureOutputs(LiteRtSignature, size_t*);
LiteRtStatus LiteRtGetSignatureOutputName(LiteRtSignature, size_t index, const char**);
LiteRtStatus LiteRtGetSignatureOutputTensorByIndex(LiteRtSignature, size_t index, LiteRtTensor*);
LiteRtStatus LiteRtGetRankedTensorType(LiteRtTensor, LiteRtRankedTensorType*);
LiteRtStatus LiteRtCreateManagedTensorBuffer(LiteRtEnvironment, int buffer_type,  // 1: host memory
                                             const LiteRtRankedTensorType*, size_t bytes,
                                             LiteRtTensorBuffer*);
LiteRtStatus LiteRtLockTensorBuffer(LiteRtTensorBuffer, void** address, int mode);  // 0 read 1 write
LiteRtStatus LiteRtUnlockTensorBuffer(LiteRtTensorBuffer);
LiteRtStatus LiteRtRunCompiledModel(LiteRtCompiledModel, size_t signature, size_t num_inputs,
                                    LiteRtTensorBuffer* inputs, size_t num_outputs,
                                    LiteRtTensorBuffer* outputs);
}
