// For the type check only: the vendored library is not ours to check.
declare const uPlot: any;
export default uPlot;
