"""The model of the explorer: a BERT checkpoint as an ONNX graph, written out operation by operation, in 8 bits.

Written out and not exported, because the page needs what no exporter gives: all hidden states, all attention maps,
and a mask for each pair of tokens as an input. It is the layer of chapter 10, once more.
"""

import math

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from bertutil.checkpoints import Bert
from bertutil.layers import can_be_written_out

OPSET = 20  # the first with Gelu


def as_onnx(bert: Bert) -> bytes:
    """Return the checkpoint as a file for ONNX Runtime.

    Inputs: `ids` and `segments` [tokens], int32; `mask` [tokens, tokens], float32, which is added to the scores of
    every head: 0 changes nothing, minus infinity forbids the row's token to look at the column's. Outputs: `states`
    [layers + 1, tokens, features] and `attentions` [layers, heads, tokens, tokens].

    Matrices are held as whole numbers of 8 bits with a scale for each output feature, tables with one for each row;
    all that is computed with them is float32.

    Raises ValueError for a model that was edited, and for an activation other than "gelu".
    """
    model, config = bert.model, bert.model.config
    if not can_be_written_out(model, depth=bert.n_layers) or config.hidden_act != "gelu":
        raise ValueError(f"{bert.name} was edited, or has another activation than gelu: it cannot be written out")
    graph = _Graph(config.num_attention_heads)
    state = graph.embeddings(model.embeddings)
    states, maps = [state], []
    for layer in model.encoder.layer:
        state, weights = graph.layer(layer, state)
        states.append(state)
        maps.append(weights)
    graph.stack("states", states)
    graph.stack("attentions", maps)
    return graph.to_bytes()


class _Graph:
    """Operations and their constants, in the order in which they were added."""

    def __init__(self, heads: int) -> None:
        self.heads = heads
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operation: str, *inputs: str, name: str = "", **attributes: object) -> str:
        """Add an operation and return the name of its output."""
        name = name or f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [name], **attributes))
        return name

    def constant(self, value: Tensor | np.ndarray) -> str:
        array = value.detach().numpy() if isinstance(value, Tensor) else value
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def shape(self, *sizes: int) -> str:
        return self.constant(np.array(sizes, dtype=np.int64))

    def rows(self, table: nn.Embedding, places: str) -> str:
        """Those rows of a table, made float32: the table itself stays small."""
        whole, scales = _rounded(table.weight)
        taken = self.add("Cast", self.add("Gather", self.constant(whole), places), to=TensorProto.FLOAT)
        return self.add("Mul", taken, self.add("Gather", self.constant(scales[:, None]), places))

    def linear(self, layer: nn.Linear, state: str) -> str:
        whole, scales = _rounded(layer.weight)
        matrix = self.add("DequantizeLinear", self.constant(whole.T), self.constant(scales), axis=1)
        return self.add("Add", self.add("MatMul", state, matrix), self.constant(layer.bias))

    def normalised(self, layer: nn.LayerNorm, state: str) -> str:
        values = self.constant(layer.weight), self.constant(layer.bias)
        return self.add("LayerNormalization", state, *values, epsilon=layer.eps)

    def embeddings(self, module: nn.Module) -> str:
        """The rows of the piece, of its segment and of its position, added up and normalised."""
        zero, one = (self.constant(np.array(value, dtype=np.int64)) for value in (0, 1))
        positions = self.add("Range", zero, self.add("Squeeze", self.add("Shape", "ids")), one)
        words = self.rows(module.word_embeddings, "ids")
        segments = self.rows(module.token_type_embeddings, "segments")
        places = self.rows(module.position_embeddings, positions)
        return self.normalised(module.LayerNorm, self.add("Add", self.add("Add", words, segments), places))

    def layer(self, layer: nn.Module, state: str) -> tuple[str, str]:
        """One encoder layer: the next state, and the attention weights on the way there."""
        own, mixing = layer.attention.self, layer.attention.output
        split = self.shape(0, self.heads, -1)
        query, key, value = (
            self.add("Transpose", self.add("Reshape", self.linear(part, state), split), perm=order)
            for part, order in [(own.query, [1, 0, 2]), (own.key, [1, 2, 0]), (own.value, [1, 0, 2])]
        )
        scale = self.constant(np.float32(1 / math.sqrt(own.attention_head_size)))
        scores = self.add("Mul", self.add("MatMul", query, key), scale)
        weights = self.add("Softmax", self.add("Add", scores, "mask"), axis=-1)
        gathered = self.add("Transpose", self.add("MatMul", weights, value), perm=[1, 0, 2])
        joined = self.add("Reshape", gathered, self.shape(0, -1))
        mixed = self.normalised(mixing.LayerNorm, self.add("Add", self.linear(mixing.dense, joined), state))
        inner = self.add("Gelu", self.linear(layer.intermediate.dense, mixed))
        outer = self.add("Add", self.linear(layer.output.dense, inner), mixed)
        return self.normalised(layer.output.LayerNorm, outer), weights

    def stack(self, name: str, parts: list[str]) -> None:
        axis = self.shape(0)
        self.add("Concat", *(self.add("Unsqueeze", part, axis) for part in parts), name=name, axis=0)

    def to_bytes(self) -> bytes:
        tokens = [
            helper.make_tensor_value_info("ids", TensorProto.INT32, ["tokens"]),
            helper.make_tensor_value_info("segments", TensorProto.INT32, ["tokens"]),
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["tokens", "tokens"]),
        ]
        shapes = {"states": ["states", "tokens", "features"], "attentions": ["layers", "heads", "tokens", "tokens"]}
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
        graph = helper.make_graph(self.nodes, "bert", tokens, results, self.constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="bertutil")
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def _rounded(weight: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """A matrix as whole numbers from -127 to 127, and the scale of each of its rows."""
    largest = weight.detach().abs().amax(dim=1, keepdim=True)
    scales = torch.where(largest > 0, largest / 127, 1.0)
    return (weight.detach() / scales).round().to(torch.int8).numpy(), scales[:, 0].numpy()
