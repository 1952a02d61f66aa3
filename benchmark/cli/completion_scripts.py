"""What `crossover -sc install=SHELL` prints, for the shell to read: each asks `crossover -sc query=SHELL` what fits.

The variable COMP_LINE has the command line up to the cursor. An answer is a line a word, for zsh and fish with a tab
and the word's meaning behind it. The program is asked by the name that was typed, so that it may be outside of PATH.
"""

BASH = r"""
_crossover() {
    local line=${COMP_LINE:0:COMP_POINT} program=${COMP_WORDS[0]/#\~/$HOME} word found
    word=${line##*[[:space:]]}
    mapfile -t found < <(COMP_LINE=$line "$program" -sc query=bash 2> /dev/null)
    # Readline replaces only what stands behind the last of its word breaks, such as the equals sign.
    COMPREPLY=("${found[@]#"${word%"${word##*[$COMP_WORDBREAKS]}"}"}")
    COMPREPLY=("${COMPREPLY[@]// /\\ }")
}
complete -o nospace -F _crossover crossover
"""

ZSH = r"""
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
_crossover() {
    local line typed program=${words[1]/#\~/$HOME}
    local -a texts shown
    for line in "${(@f)$(COMP_LINE="${(j: :)words[1,CURRENT-1]} $PREFIX" $program -sc query=zsh 2> /dev/null)}"; do
        [[ -n $line ]] || continue
        texts+=("${line%%$'\t'*}")
        shown+=("${line/$'\t'/  -- }")
    done
    typed=${(M)PREFIX##*[=,/]} # shown without what all have in common
    if [[ -n $typed ]]; then
        compset -P '*[=,/]'
        texts=("${(@)texts#${(b)typed}}")
        shown=("${(@)shown#${(b)typed}}")
    fi
    compadd -l -S '' -d shown -a texts
}
compdef _crossover crossover
"""

FISH = r"""
function __crossover_complete
    set -lx COMP_LINE (commandline -cp)
    set -l program (string replace -r '^~' $HOME (commandline -opc)[1])
    $program -sc query=fish 2>/dev/null
end
complete -c crossover -e
complete -c crossover -f -a '(__crossover_complete)'
"""

INSTALL = {"bash": BASH, "zsh": ZSH, "fish": FISH}
UNINSTALL = {
    "bash": "complete -r crossover\nunset -f _crossover\n",
    "zsh": "compdef -d crossover\nunfunction _crossover\n",
    "fish": "complete -c crossover -e\nfunctions -e __crossover_complete\n",
}
