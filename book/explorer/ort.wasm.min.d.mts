export * from "onnxruntime-web"; // the types of the file that tools/explorer.py puts here
