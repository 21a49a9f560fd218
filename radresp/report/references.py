"""References of a methods text, numbered in the order they are first cited."""

from __future__ import annotations

WORKS = {
    "auc": "DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more "
    "correlated receiver operating characteristic curves. Biometrics 1988;44:837-845.",
    "bootstrap": "Efron B, Tibshirani RJ. An Introduction to the Bootstrap. Chapman & Hall, 1993.",
    "calibration": "Van Calster B, McLernon DJ, van Smeden M, et al. Calibration: the Achilles heel"
    " of predictive analytics. BMC Med 2019;17:230.",
    "clear": "Kocak B, Baessler B, Bakas S, et al. CheckList for EvaluAtion of Radiomics research "
    "(CLEAR). Insights Imaging 2023;14:75.",
    "combat": "Johnson WE, Li C, Rabinovic A. Adjusting batch effects in microarray expression data"
    " using empirical Bayes methods. Biostatistics 2007;8:118-127.",
    "conformal": "Vovk V, Gammerman A, Shafer G. Algorithmic Learning in a Random World. Springer, "
    "2005.",
    "coverage": "Geifman Y, El-Yaniv R. Selective classification for deep neural networks. Advances"
    " in Neural Information Processing Systems 30, 2017.",
    "decision_curve": "Vickers AJ, Elkin EB. Decision curve analysis: a novel method for evaluating"
    " prediction models. Med Decis Making 2006;26:565-574.",
    "elastic_net": "Zou H, Hastie T. Regularization and variable selection via the elastic net. "
    "J R Stat Soc B 2005;67:301-320.",
    "epi": "Kybic J, Thevenaz P, Nirkko A, Unser M. Unwarping of unidirectionally distorted EPI "
    "images. IEEE Trans Med Imaging 2000;19:80-93.",
    "extra_trees": "Geurts P, Ernst D, Wehenkel L. Extremely randomized trees. Mach Learn "
    "2006;63:3-42.",
    "forest": "Breiman L. Random forests. Mach Learn 2001;45:5-32.",
    "boosting": "Friedman JH. Greedy function approximation: a gradient boosting machine. Ann Stat "
    "2001;29:1189-1232.",
    "ibsi": "Zwanenburg A, Vallieres M, Abdalah MA, et al. The Image Biomarker Standardization "
    "Initiative. Radiology 2020;295:328-338.",
    "ici": "Austin PC, Steyerberg EW. The Integrated Calibration Index (ICI) and related metrics. "
    "Stat Med 2019;38:4051-4065.",
    "mattes": "Mattes D, Haynor DR, Vesselle H, Lewellen TK, Eubank W. PET-CT image registration in"
    " the chest using free-form deformations. IEEE Trans Med Imaging 2003;22:120-128.",
    "mrmr": "Ding C, Peng H. Minimum redundancy feature selection from microarray gene expression "
    "data. J Bioinform Comput Biol 2005;3:185-205.",
    "n4": "Tustison NJ, Avants BB, Cook PA, et al. N4ITK: improved N3 bias correction. IEEE Trans "
    "Med Imaging 2010;29:1310-1320.",
    "nested": "Varma S, Simon R. Bias in error estimation when using cross-validation for model "
    "selection. BMC Bioinformatics 2006;7:91.",
    "nyul": "Nyul LG, Udupa JK, Zhang X. New variants of a method of MRI scale standardization. "
    "IEEE Trans Med Imaging 2000;19:143-150.",
    "platt": "Platt JC. Probabilistic outputs for support vector machines and comparisons to "
    "regularized likelihood methods. In: Advances in Large Margin Classifiers, 1999:61-74.",
    "pyradiomics": "van Griethuysen JJM, Fedorov A, Parmar C, et al. Computational radiomics system"
    " to decode the radiographic phenotype. Cancer Res 2017;77:e104-e107.",
    "ridge": "le Cessie S, van Houwelingen JC. Ridge estimators in logistic regression. Appl Stat "
    "1992;41:191-201.",
    "riley": "Riley RD, Snell KIE, Ensor J, et al. Minimum sample size for developing a "
    "multivariable prediction model: part II - binary and time-to-event outcomes. Stat Med "
    "2019;38:1276-1296.",
    "rueckert": "Rueckert D, Sonoda LI, Hayes C, et al. Nonrigid registration using free-form "
    "deformations. IEEE Trans Med Imaging 1999;18:712-721.",
    "selection": "Nogueira S, Sechidis K, Brown G. On the stability of feature selection "
    "algorithms. J Mach Learn Res 2018;18(174):1-54.",
    "shrout": "Shrout PE, Fleiss JL. Intraclass correlations: uses in assessing rater reliability. "
    "Psychol Bull 1979;86:420-428.",
    "simpleitk": "Lowekamp BC, Chen DT, Ibanez L, Blezek D. The design of SimpleITK. Front "
    "Neuroinform 2013;7:45.",
    "sklearn": "Pedregosa F, Varoquaux G, Gramfort A, et al. Scikit-learn: machine learning in "
    "Python. J Mach Learn Res 2011;12:2825-2830.",
    "svm": "Cortes C, Vapnik V. Support-vector networks. Mach Learn 1995;20:273-297.",
    "tripod": "Collins GS, Moons KGM, Dhiman P, et al. TRIPOD+AI statement: updated guidance for "
    "reporting clinical prediction models that use regression or machine learning methods. BMJ "
    "2024;385:e078378.",
    "wilson": "Wilson EB. Probable inference, the law of succession, and statistical inference. "
    "J Am Stat Assoc 1927;22:209-212.",
    "yushkevich": "Yushkevich PA, Pluta J, Wang H, et al. Fast automatic segmentation of "
    "hippocampal subfields and medial temporal lobe subregions in 3 Tesla and 7 Tesla T2-weighted "
    "MRI. Alzheimers Dement 2016;12:P126-P127.",
}


class Citations:
    """Numbers for works; the same work keeps its number.

    Examples
    --------
    >>> cite = Citations()
    >>> cite("riley"), cite("auc", "riley")
    ('[1]', '[2,1]')
    >>> cite.listed()[0][:12]
    '1. Riley RD,'
    """

    def __init__(self) -> None:
        self._order: dict[str, int] = {}

    def __call__(self, *keys: str) -> str:
        """The numbers of works in brackets."""
        numbers = [self._order.setdefault(key, len(self._order) + 1) for key in keys]
        return f"[{','.join(map(str, numbers))}]"

    def listed(self) -> list[str]:
        """The works cited so far, one line each."""
        return [f"{number}. {WORKS[key]}" for key, number in self._order.items()]
