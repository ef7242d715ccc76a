"""What several chapters, exercises and claims work on, each in one place: texts, and small random models."""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertPooler

from bertutil.checkpoints import Bert

# The 2019 article's sentence with three banks
BANK = "After stealing money from the bank vault, the bank robber was seen fishing on the Mississippi river bank."

# Words that the tokenizer splits, each in two sentences written for it
RARE = {
    "teapot": ("My aunt's teapot has a crack near the handle.", "We found a silver teapot at the flea market."),
    "teaspoon": ("Add one teaspoon of salt to the water.", "The baby dropped his teaspoon behind the sofa."),
    "toothbrush": ("I forgot my toothbrush at the hotel.", "Dentists say that a toothbrush lasts three months."),
    "toothpaste": ("This toothpaste tastes of mint.", "The last tube of toothpaste was empty on Sunday."),
    "snowman": ("The children gave the snowman an old hat.", "By noon the snowman had melted in the garden."),
    "snowshoes": ("We crossed the frozen lake on snowshoes.", "He rents out snowshoes and sledges in winter."),
    "hedgehog": ("A hedgehog crossed the lawn after dark.", "The vet weighed the injured hedgehog and fed it."),
    "groundhog": ("The groundhog dug a tunnel under our shed.", "Our dog barked at a groundhog beside the road."),
    "hairbrush": ("Her hairbrush lay on a shelf in the bathroom.", "I bought a wooden hairbrush for my sister."),
    "paintbrush": ("Wash the paintbrush before the colour dries.", "She held the paintbrush like a pencil."),
    "blueberry": ("He picked a single blueberry from the bush.", "A blueberry rolled off the plate onto the floor."),
    "gooseberry": ("The gooseberry has thorns and sour fruit.", "My uncle planted a gooseberry next to the fence."),
    "pancake": ("The first pancake always sticks to the pan.", "She ate her pancake with lemon and sugar."),
    "cheesecake": ("They shared a slice of cheesecake after dinner.", "This cheesecake needs two hours in the oven."),
    "raincoat": ("Take a raincoat, the clouds look dark.", "His yellow raincoat hung dripping in the hall."),
    "overcoat": ("He wore a heavy overcoat over his suit.", "The thief hid the painting under her overcoat."),
    "jellyfish": ("A jellyfish stung the swimmer on the leg.", "Hundreds of jellyfish were washed up on the beach."),
    "goldfish": ("Our goldfish lives in a round glass bowl.", "The boy won a goldfish at the fair."),
    "beekeeper": ("The beekeeper lifted the frame without gloves.", "Ask the beekeeper how much honey is left."),
    "bookkeeper": ("The bookkeeper noticed a mistake in the sums.", "Our bookkeeper retires after thirty years."),
    "sunflower": ("The sunflower grew taller than the garage.", "She painted a sunflower in a blue vase."),
    "cauliflower": ("Roast the cauliflower with cumin and oil.", "Nobody at school liked the cauliflower soup."),
    "walrus": ("The walrus rested on the ice with its calf.", "Its long tusks help a walrus climb out of the sea."),
    "thermostat": ("Turn the thermostat down before you go to bed.", "The new thermostat knows when we are at home."),
}


def is_cased(bert: Bert) -> bool:
    """Whether the tokenizer keeps capital letters."""
    normalizer = bert.tokenizer.backend_tokenizer.normalizer
    return not (normalizer and normalizer.normalize_str("A") == "a")


def up_to_four(bert: Bert) -> int:
    """4, or the number of layers where there are fewer; then a line says so."""
    if bert.n_layers < 4:
        print(f"This checkpoint has {bert.n_layers} layers: all of them are taken where we say the last four.")
    return min(4, bert.n_layers)


def with_two_segments(bert: Bert) -> Bert:
    """The checkpoint; where it has one segment type only, a copy with a second, random one, and a line says so."""
    if bert.model.config.type_vocab_size > 1:
        return bert
    print("This checkpoint has one segment type: here it gets a second one, of random numbers, nothing learned.")
    model: Any = copy.deepcopy(bert.model)
    table = model.embeddings.token_type_embeddings
    only = table.weight.detach()
    other = random_values(*only.shape, seed=0).to(only) * only.std()
    table.weight, table.num_embeddings = nn.Parameter(torch.cat([only, other])), 2
    model.config.type_vocab_size = 2
    return replace(bert, model=model)


def with_pooler(bert: Bert) -> Bert:
    """The checkpoint; where it has no pooler, a copy with a random one, and a line says so."""
    if bert.model.pooler is not None:
        return bert
    print("This checkpoint has no pooler: here it gets one of random numbers, nothing learned.")
    model: Any = copy.deepcopy(bert.model)
    size = bert.hidden_size
    model.pooler = BertPooler(model.config).to(model.device)
    with torch.no_grad():
        model.pooler.dense.weight.copy_(random_values(size, size, seed=0) * model.config.initializer_range)
        model.pooler.dense.bias.zero_()
    return replace(bert, model=model)


def tiny_model(seed: int, n_layers: int = 3) -> BertModel:
    """A small random model that knows every id of BERT's vocabulary and reacts clearly to what it is given."""
    config = BertConfig(
        vocab_size=30_522,
        hidden_size=32,
        num_hidden_layers=n_layers,
        num_attention_heads=4,
        intermediate_size=64,
        initializer_range=0.5,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = BertModel(config)
    tiny: BertModel = model.eval()
    return tiny


def random_values(*shape: int, seed: int) -> Tensor:
    """Values drawn from a normal distribution: the same for the same seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
